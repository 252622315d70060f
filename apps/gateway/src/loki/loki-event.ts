/**
 * Entries of Loki as events.
 *
 *   topic      the topic of the key, else the label app, job or service_name, else loki
 *   event_id   hash of tenant, labels, time, line and structured metadata, with its ordinal among equals in the push
 *   timestamp  the entry's. Its nanoseconds stay in the payload
 *   source     the label host or hostname, else the source of the key
 *   payload    line, labels, metadata, timestamp_ns, tenant
 *
 * Loki itself drops an entry whose stream, time and line it has, and so do its users expect it. The metadata belong to
 * the identity here, because two entries that differ in them would lose something.
 *
 * The same push in JSON and in protobuf gives the same events.
 */
import { RecordIds, recordTimestamp, sourceError, topicFromName } from '#contracts';
import { asPublication, type Checked } from '../publish/publish-request.js';
import type { LokiEntry, LokiPairs, LokiStream } from './push.js';

/** What a push does not say itself. */
export interface LokiDefaults {
  /** The topic of all entries; `undefined` where a label names it. */
  readonly topic: string | undefined;
  readonly source: string;
  /** The value of `X-Scope-OrgID`. */
  readonly tenant: string | undefined;
}

/** What all entries of a stream share. */
interface Shared {
  readonly topic: string;
  readonly topicName: string;
  readonly source: string;
  readonly labels: string;
}

const TOPIC_LABELS = ['app', 'job', 'service_name'];
const SOURCE_LABELS = ['host', 'hostname'];
const OTHERS = 'loki';
const NANOSECONDS = /^\d{1,20}$/;

/** Makes events of the entries of one push. */
export class LokiEvents {
  private readonly ids = new RecordIds();
  private readonly shared = new WeakMap<LokiStream, Shared>();

  constructor(
    private readonly defaults: LokiDefaults,
    private readonly eventBytesMax: number,
  ) {}

  /** Makes an event of the next entry. */
  check({ stream, nanoseconds, line, metadata }: LokiEntry): Checked {
    if (stream.flaw !== undefined) return invalid('labels', stream.flaw);
    const timestamp = timestampOf(nanoseconds);
    if (timestamp === undefined)
      return invalid('timestamp', 'the time of an entry is nanoseconds since 1970, as a string of digits');
    const { topic, topicName, source, labels } = this.sharedOf(stream);
    const { tenant } = this.defaults;
    const pairs = metadata.size === 0 ? '{}' : pairsText(metadata);
    const time = nanoseconds.replace(/^0+(?=\d)/, '');
    const id = this.ids.next([tenant ?? '', labels, time, line, pairs]);
    const more = tenant === undefined ? '' : `,"tenant":${JSON.stringify(tenant)}`;
    const payload = `{"line":${line},"labels":${labels},"metadata":${pairs},"timestamp_ns":"${time}"${more}}`;
    const event = { topic, eventId: id.eventId, timestamp, source, payload };
    const checked = asPublication(event, this.eventBytesMax, id.origin);
    return checked.valid && topic !== topicName
      ? { ...checked, topicName: topicName.slice(0, 256) }
      : checked;
  }

  private sharedOf(stream: LokiStream): Shared {
    const known = this.shared.get(stream);
    if (known !== undefined) return known;
    const topicName = this.defaults.topic ?? named(stream.labels, TOPIC_LABELS) ?? OTHERS;
    const source = named(stream.labels, SOURCE_LABELS) ?? '';
    const shared = {
      topic: topicFromName(topicName),
      topicName,
      source: sourceError(source) === undefined ? source : this.defaults.source,
      labels: pairsText(stream.labels),
    };
    this.shared.set(stream, shared);
    return shared;
  }
}

/** Pairs as JSON, in the order of their names: Loki's clients keep none. */
function pairsText(pairs: LokiPairs): string {
  const names = [...pairs.keys()].sort();
  return `{${names.map((name) => `${textOf(name)}:${pairs.get(name) ?? '""'}`).join(',')}}`;
}

/** No name can contain the zero character, which Postgres cannot hold. */
function textOf(name: string): string {
  return JSON.stringify(name.replaceAll('\0', '\uFFFD'));
}

/** The first of some labels that is a text and not empty. */
function named(labels: LokiPairs, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = labels.get(name) ?? '';
    if (value.startsWith('"') && value !== '""') return JSON.parse(value) as string;
  }
  return undefined;
}

function timestampOf(nanoseconds: string): string | undefined {
  if (!NANOSECONDS.test(nanoseconds)) return undefined;
  const digits = nanoseconds.padStart(10, '0');
  return recordTimestamp(`${digits.slice(0, -9)}.${digits.slice(-9)}`);
}

function invalid(field: string, message: string): Checked {
  return { valid: false, errors: [{ field, message }] };
}
