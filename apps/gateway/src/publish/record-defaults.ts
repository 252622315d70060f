/** The defaults for records: those of the key, and those that a request names in its headers. */
import type { IncomingHttpHeaders } from 'node:http';
import { recordFieldError, sourceError, topicError } from '#contracts';
import type { Access } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import type { RecordDefaults } from './record-reader.js';

/** Headers by which a request names them. */
export const RECORD_HEADERS = [
  'sekali-topic',
  'sekali-source',
  'sekali-id-field',
  'sekali-time-field',
] as const;

/** The source of records for which neither the key nor the request names one. */
const SOURCE = 'http';

/** The defaults of a request for records that may name their topic themselves. */
export type RecordFields = Omit<RecordDefaults, 'topic'> & { readonly topic: string | undefined };

/**
 * The defaults of a request. A header wins over the key.
 *
 * @throws ProblemError 400 when a header is wrong
 */
export function recordFields(
  headers: IncomingHttpHeaders,
  access: Pick<Access, 'defaults' | 'keyName'>,
): RecordFields {
  const { defaults } = access;
  return {
    ...recordNames(headers, access, SOURCE),
    idField: named(headers, 'sekali-id-field', recordFieldError) ?? defaults?.id_field,
    timeField: named(headers, 'sekali-time-field', recordFieldError) ?? defaults?.time_field,
  };
}

/**
 * The defaults of a request for records that name no topic.
 *
 * @returns `undefined` where nothing names a topic: then every line has to be an event
 * @throws ProblemError 400 when a header is wrong
 */
export function recordDefaults(
  headers: IncomingHttpHeaders,
  access: Pick<Access, 'defaults' | 'keyName'>,
): RecordDefaults | undefined {
  const { topic, ...others } = recordFields(headers, access);
  return topic === undefined ? undefined : { topic, ...others };
}

/**
 * The topic and the source of a request, for records of any protocol.
 *
 * @param otherwise the source where neither the request nor the key names one
 * @throws ProblemError 400 when a header is wrong
 */
export function recordNames(
  headers: IncomingHttpHeaders,
  { defaults, keyName }: Pick<Access, 'defaults' | 'keyName'>,
  otherwise: string,
): { readonly topic: string | undefined; readonly source: string } {
  const topic = named(headers, 'sekali-topic', topicError) ?? defaults?.topic;
  const source = named(headers, 'sekali-source', sourceError) ?? defaults?.source ?? keyName ?? otherwise;
  return { topic, source };
}

function named(
  headers: IncomingHttpHeaders,
  name: (typeof RECORD_HEADERS)[number],
  rule: (value: unknown) => string | undefined,
): string | undefined {
  const value = headers[name];
  if (value === undefined) return undefined;
  const text = Buffer.from(String(value), 'latin1').toString('utf8');
  const error = rule(text);
  if (error === undefined) return text;
  throw new ProblemError(problem('invalid-parameter', 400, `Header ${name}: ${error}.`, { parameter: name }));
}
