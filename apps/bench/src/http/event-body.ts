/** The number of topics; an event's number says which one it has. */
export const TOPICS = 10;
/** Bytes of one event as JSON. */
export const EVENT_BYTES = 300;

const NUMBER_DIGITS = 12;
/** Microseconds since 1970 have sixteen digits until the year 2286. */
const TIME_DIGITS = 16;
const TIME_PLACE = '1000000000000000';
const ZERO = 48;

const AROUND = { object: ['', '', ''], array: ['[', ',', ']'], lines: ['', '\n', ''] } as const;

/** The topic of the event with a number. */
export function topicOfNumber(number: number): string {
  return `bench.t${number % TOPICS}`;
}

/** The id of the event with a number. */
export function eventIdOfNumber(idPrefix: string, number: number): string {
  return `${idPrefix}-${String(number).padStart(NUMBER_DIGITS, '0')}`;
}

/** Every topic that events are published to. */
export function allTopics(): string[] {
  return Array.from({ length: TOPICS }, (_, number) => topicOfNumber(number));
}

/**
 * A request body whose events are renewed by overwriting digits in place.
 *
 * The load shares two cores with what it measures, so creating an event must cost next to nothing. The text is written
 * once. Each request replaces only the number in the id, the digit of the topic and, on request, the time. A body may
 * be used again when the answer to its last request has arrived.
 */
export class EventBody {
  /** The bytes to send. */
  readonly bytes: Buffer;
  private readonly starts: readonly number[];
  private readonly topicAt: number;
  private readonly numberAt: number;
  private readonly timeAt: number;

  /**
   * @param idPrefix first part of every id; it differs in every run, so that no run repeats another's events
   * @param events the number of events in the body
   * @param form an array, lines, or (for one event alone) the plain object
   */
  constructor(
    idPrefix: string,
    readonly events: number,
    form: 'object' | 'array' | 'lines',
  ) {
    const text = eventText(idPrefix);
    const [before, between, after] = AROUND[form];
    this.bytes = Buffer.from(`${before}${Array<string>(events).fill(text).join(between)}${after}`, 'latin1');
    const length = text.length + between.length;
    this.starts = Array.from({ length: events }, (_, position) => before.length + position * length);
    this.topicAt = text.indexOf('bench.t') + 'bench.t'.length;
    this.numberAt = text.indexOf(`"${idPrefix}-`) + idPrefix.length + 2;
    this.timeAt = text.indexOf(TIME_PLACE);
  }

  /**
   * Replaces the event at a position by another one.
   *
   * @param sentAtUs written into the payload as `sent_us`. When it is left out, the payload does not change, so that a
   * repeat of a number is the same event to the last byte.
   */
  write(position: number, number: number, sentAtUs?: number): void {
    const start = this.starts[position] ?? 0;
    this.bytes[start + this.topicAt] = ZERO + (number % TOPICS);
    writeNumber(this.bytes, start + this.numberAt, number);
    if (sentAtUs !== undefined) writeDigits(this.bytes, start + this.timeAt, TIME_DIGITS, sentAtUs);
  }
}

/** Overwrites the digits of a number in an id, see `eventIdOfNumber`. @param start index of the first digit */
export function writeNumber(bytes: Buffer, start: number, number: number): void {
  writeDigits(bytes, start, NUMBER_DIGITS, number);
}

function writeDigits(bytes: Buffer, start: number, count: number, value: number): void {
  let rest = Math.floor(value);
  for (let at = start + count - 1; at >= start; at -= 1) {
    const tenth = Math.floor(rest / 10);
    bytes[at] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
}

/** The payload of each event, for those who publish without a body of HTTP. */
export function eventPayload(idPrefix: string): object {
  return (JSON.parse(eventText(idPrefix)) as { payload: object }).payload;
}

function eventText(idPrefix: string): string {
  const head =
    `{"topic":"${topicOfNumber(0)}","event_id":"${eventIdOfNumber(idPrefix, 0)}",` +
    `"timestamp":"2026-11-22T10:00:00.000Z","source":"bench","payload":{"sent_us":${TIME_PLACE},"filler":"`;
  const tail = '"}}';
  return `${head}${'x'.repeat(Math.max(0, EVENT_BYTES - head.length - tail.length))}${tail}`;
}
