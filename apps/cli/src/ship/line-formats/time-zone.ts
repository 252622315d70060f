/**
 * A time zone: how far its clocks are ahead of UTC.
 *
 * Node knows the rules of all zones, but only from an instant to a clock. The other direction has two answers in the
 * hour that is repeated in autumn, and none in the hour that is left out in spring. As in Temporal and java.time, the
 * first of the two counts, and a time that was left out is read with the offset before the change.
 */

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Offsets change at full quarters of an hour. */
const SLOT_MS = 900_000;
const SLOTS_MAX = 10_000;

/** A zone by its name or its offset. */
export class TimeZone {
  static readonly utc = new TimeZone('UTC');

  private readonly fixedMinutes: number | undefined;
  private readonly format: Intl.DateTimeFormat | undefined;
  private readonly offsets = new Map<number, number>();

  /**
   * @param name a name of the IANA database, or an offset such as `+07:00`
   * @throws `RangeError` when there is no such zone
   */
  constructor(readonly name: string) {
    const [, sign, hours, minutes] = /^([+-])(\d{2}):?(\d{2})$/.exec(name) ?? [];
    if (sign !== undefined) {
      if (Number(hours) > 15 || Number(minutes) > 59) throw new RangeError(`${name} is not an offset`);
      this.fixedMinutes = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
    } else if (/^(?:utc|gmt|z)$/i.test(name)) this.fixedMinutes = 0;
    else this.format = new Intl.DateTimeFormat('en', { timeZone: name, timeZoneName: 'longOffset' });
  }

  /** Whether the clocks of this zone always show UTC. */
  get isUtc(): boolean {
    return this.fixedMinutes === 0;
  }

  /**
   * The instant at which clocks show a time.
   *
   * @param clockMs what the clocks show, as if it was UTC, in milliseconds
   * @returns milliseconds of UTC
   */
  instantMs(clockMs: number): number {
    if (this.fixedMinutes !== undefined) return clockMs - this.fixedMinutes * MINUTE_MS;
    const before = this.offsetMs(clockMs - DAY_MS);
    const after = this.offsetMs(clockMs + DAY_MS);
    const first = clockMs - before;
    const second = clockMs - after;
    if (before === after || this.offsetMs(first) === before) return first;
    return this.offsetMs(second) === after ? second : first;
  }

  private offsetMs(instantMs: number): number {
    const slot = Math.floor(instantMs / SLOT_MS);
    const known = this.offsets.get(slot);
    if (known !== undefined) return known;
    if (this.offsets.size >= SLOTS_MAX) this.offsets.clear();
    const parts = this.format?.formatToParts(new Date(slot * SLOT_MS)) ?? [];
    const text = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
    // "GMT+07:00". Before zones were introduced, towns had offsets with seconds.
    const [, sign, hours = '0', minutes = '0', seconds = '0'] =
      /^GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(text) ?? [];
    const total = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS + Number(seconds) * 1_000;
    const offset = sign === '-' ? -total : total;
    this.offsets.set(slot, offset);
    return offset;
  }
}
