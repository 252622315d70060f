/**
 * The event of a log record.
 *
 *   topic      of the key, else `logs.<service.name>`, mapped to the alphabet of topics
 *   event_id   `log.record.uid`, else the hash of the payload, with its ordinal among equals in the request
 *   timestamp  the time of the record, else the time at which it was observed, else that of arrival
 *   source     of the key, else `service.instance.id` or `host.name`, else the name of the key
 *   payload    the record with its resource and scope (log-payload.ts)
 *
 * A collector that reads a file again observes its lines at another time. So the observed time is not part of what a
 * record is, unless it stands in for a missing time. It is in the payload of a record with an id of its own alone:
 * otherwise each line that is read again would be a conflict.
 */
import {
  canonicalTimestamp,
  coversTopic,
  givenId,
  payloadError,
  RecordIds,
  recordTimestamp,
  sourceError,
  topicFromName,
  type Span,
} from '#contracts';
import type { Access } from '../keys/access.js';
import { asPublication, type Checked } from '../publish/publish-request.js';
import { attributeIn, MalformedLogsError, type Attribute } from './any-value.js';
import { originMembers, payloadText } from './log-payload.js';
import type { LogGroup, LogReader, LogRecord, LogResource, LogScope } from './log-record.js';

const ID_ATTRIBUTE = 'log.record.uid';
const SOURCE_ATTRIBUTES = ['service.instance.id', 'host.name'] as const;
const NO_SERVICE = 'unknown_service';
const SOURCE = 'otlp';
/** With eighteen digits and more, a number since 1970 is one of nanoseconds. Nearly all have nineteen. */
const NANOSECOND_DIGITS_MIN = 18;
/** A record may have this many times the bytes of its event, whose form is shorter. A larger one is not read. */
const RECORD_TO_EVENT_MAX = 8;

const NO_RESOURCE: LogResource = { attributes: [], droppedAttributes: '' };
const NO_SCOPE: LogScope = { ...NO_RESOURCE, name: '', version: '' };

/** What the events of a group share. */
export interface SharedParts {
  readonly topic: string;
  readonly source: string;
  /** The members of the payload that say where a record comes from. */
  readonly origin: string;
}

/** What a key says of the records of its holder. */
export type LogAccess = Pick<Access, 'defaults' | 'keyName' | 'topics'>;

/** Makes the events of one request. */
export class LogEvents {
  private readonly ids = new RecordIds();

  /** @param nowMs the time of arrival, for records without any time */
  constructor(
    private readonly reader: LogReader,
    private readonly access: LogAccess,
    private readonly eventBytesMax: number,
    private readonly nowMs: () => number = Date.now,
  ) {}

  /** Reads resource and scope of a group. @returns the sentence that says what is wrong with them, where that is so */
  shared(group: LogGroup): SharedParts | string {
    return orSentence(() => {
      const resource = group.resource.place ? this.reader.resource(group.resource.place) : NO_RESOURCE;
      const scope = group.scope.place ? this.reader.scope(group.scope.place) : NO_SCOPE;
      return {
        topic: this.topicOf(resource.attributes),
        source: this.sourceOf(resource.attributes),
        origin: originMembers(resource, group.resource.schemaUrl, scope, group.scope.schemaUrl),
      };
    });
  }

  /** Whether the key covers the topic of a group. */
  isCovered({ topic }: SharedParts): boolean {
    return coversTopic(this.access.topics, topic);
  }

  /** Makes the event of a record. Only a record that is wrong itself is invalid. */
  event(place: Span, shared: SharedParts): Checked {
    const bytesMax = RECORD_TO_EVENT_MAX * this.eventBytesMax;
    const bytes = place.end - place.start;
    if (bytes > bytesMax) return invalid(`the record has ${bytes} bytes, at most ${bytesMax} are read`);
    const record = orSentence(() => this.reader.record(place));
    if (typeof record === 'string') return invalid(record);
    const timestamp = this.timestampOf(record);
    if (timestamp === undefined) return invalid('the time of the record is not one since 1970');
    const given = givenId(attributeIn(record.attributes, ID_ATTRIBUTE));
    const payload = payloadText(record, shared.origin, given !== undefined || record.time === '');
    const unstorable = payloadError({}, payload)?.replace(/^payload/, 'a record');
    if (unstorable !== undefined) return invalid(unstorable);
    const { eventId, origin } = given ?? this.ids.next([payload]);
    const { topic, source } = shared;
    return asPublication({ topic, eventId, timestamp, source, payload }, this.eventBytesMax, origin);
  }

  private topicOf(resource: readonly Attribute[]): string {
    const service = attributeIn(resource, 'service.name') || NO_SERVICE;
    return topicFromName(this.access.defaults?.topic ?? `logs.${service}`);
  }

  private sourceOf(resource: readonly Attribute[]): string {
    const { defaults, keyName } = this.access;
    const own = SOURCE_ATTRIBUTES.map((name) => attributeIn(resource, name));
    const names = [defaults?.source, ...own, keyName];
    return names.find((name) => sourceError(name) === undefined) ?? SOURCE;
  }

  private timestampOf({ time, observedTime }: LogRecord): string | undefined {
    const nanoseconds = time || observedTime;
    if (nanoseconds === '') return canonicalTimestamp(new Date(this.nowMs()).toISOString());
    return recordTimestamp(nanoseconds.padStart(NANOSECOND_DIGITS_MIN, '0'));
  }
}

/** What a reader returns, or the sentence with which it refuses. */
function orSentence<T>(read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedLogsError) return error.message;
    throw error;
  }
}

function invalid(message: string): Checked {
  return { valid: false, errors: [{ field: 'event', message }] };
}
