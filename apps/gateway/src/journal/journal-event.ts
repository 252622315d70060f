/**
 * Entries of a journal as events.
 *
 *   topic      the topic of the key, else logs.<service>, else logs.<identifier>, else logs.journal
 *   event_id   __CURSOR, which names one entry of all journals of all machines
 *   timestamp  __REALTIME_TIMESTAMP, else the time of arrival
 *   source     <_HOSTNAME>/<_MACHINE_ID>, because machines share names
 *   payload    every field. A name that comes several times has an array
 */
import {
  canonicalJson,
  givenId,
  RecordIds,
  recordTimestamp,
  sourceError,
  topicFromName,
  type SekaliEvent,
} from '#contracts';
import { asPublication, type Checked } from '../publish/publish-request.js';
import { textOf, type JournalEntry, type JournalField } from './journal-entry.js';

/** What the key says of its journals. */
export interface JournalDefaults {
  /** The topic of all entries; `undefined` where each has that of its service. */
  readonly topic: string | undefined;
  /** The source of entries that name no machine. */
  readonly source: string;
}

/** Bytes of an event around its payload, at most: topic, id, source and names. */
const ENVELOPE_BYTES_MAX = 4_096;
const MICROSECONDS = /^\d{1,16}$/;
const SERVICE = /^(?<name>[^@]+)(?:@.*)?\.service$/s;
/** Units that exist for one run, each with a name of its own. They would become a topic each. */
const TRANSIENT = /^run-[\dru]/;
const PREFIX = 'logs.';
const OTHERS = 'journal';

/** Makes events of the entries of one upload. */
export class JournalEvents {
  private readonly ids = new RecordIds();

  /** @param nowMs the time of arrival, for entries without one */
  constructor(
    private readonly defaults: JournalDefaults,
    private readonly eventBytesMax: number,
    private readonly nowMs: () => number = Date.now,
  ) {}

  /** Makes an event of the next entry. */
  check(entry: JournalEntry): Checked {
    const payload = payloadOf(fitting(entry.fields, this.eventBytesMax - ENVELOPE_BYTES_MAX));
    const id = givenId(textOf(entry, '__CURSOR') ?? '') ?? this.ids.next([canonicalJson(payload)]);
    const event: SekaliEvent = {
      topic: this.defaults.topic ?? topicOf(entry),
      eventId: id.eventId,
      timestamp: timestampOf(entry) ?? recordTimestamp(String(this.nowMs())) ?? '',
      source: sourceOf(entry) ?? this.defaults.source,
      payload,
    };
    return asPublication(event, this.eventBytesMax, id.origin);
  }
}

function payloadOf(fields: readonly JournalField[]): string {
  const values = new Map<string, string[]>();
  for (const [name, value] of fields) {
    const others = values.get(name);
    if (others === undefined) values.set(name, [value]);
    else others.push(value);
  }
  const members = [...values].map(([name, all]) => {
    const [only = ''] = all;
    return `${JSON.stringify(name)}:${all.length === 1 ? only : `[${all.join(',')}]`}`;
  });
  return `{${members.join(',')}}`;
}

/** The fields, with null for the largest values where all together are too large. */
function fitting(fields: readonly JournalField[], bytesMax: number): readonly JournalField[] {
  const sizes = fields.map(([name, value]) => name.length + Buffer.byteLength(value) + '"":,'.length);
  let surplus = sizes.reduce((sum, size) => sum + size, 0) - bytesMax;
  if (surplus <= 0) return fields;
  const kept = [...fields];
  const largestFirst = [...sizes.keys()].sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0));
  for (const index of largestFirst) {
    if (surplus <= 0) break;
    const [name, value] = kept[index] ?? ['', ''];
    surplus -= Buffer.byteLength(value) - 'null'.length;
    kept[index] = [name, 'null'];
  }
  return kept;
}

/** An instance of a service has the topic of all of them: `getty@tty1.service` has that of `getty`. */
function topicOf(entry: JournalEntry): string {
  const unit = textOf(entry, '_SYSTEMD_UNIT') ?? '';
  const service = TRANSIENT.test(unit) ? undefined : SERVICE.exec(unit)?.groups?.['name'];
  return topicFromName(PREFIX + (service ?? textOf(entry, 'SYSLOG_IDENTIFIER') ?? OTHERS));
}

/** Microseconds since 1970, however few digits a machine without a clock has. */
function timestampOf(entry: JournalEntry): string | undefined {
  const written = textOf(entry, '__REALTIME_TIMESTAMP') ?? '';
  if (!MICROSECONDS.test(written)) return undefined;
  const digits = written.padStart(7, '0');
  return recordTimestamp(`${digits.slice(0, -6)}.${digits.slice(-6)}`);
}

function sourceOf(entry: JournalEntry): string | undefined {
  const names = [textOf(entry, '_HOSTNAME'), textOf(entry, '_MACHINE_ID')];
  const source = names.filter((name) => name !== undefined).join('/');
  return sourceError(source) === undefined ? source : undefined;
}
