/**
 * API keys: the form of a token, what it may do, and what is stored of it.
 *
 *   sekali_0123456789abcdef_<43 characters of base64url>
 *          └ key id: names  └ secret: 32 random bytes
 *
 * Only the SHA-256 of the whole token is stored. A slow hash protects passwords, which can be guessed. 32 random bytes
 * cannot be guessed, and a fast hash costs a request one microsecond.
 */
import { createHash, randomBytes } from 'node:crypto';
import { sourceError, topicError } from './event.js';

/** What a key may be used for. No scope includes another; an operator's key has all three. */
export const API_KEY_SCOPES = ['publish', 'read', 'admin'] as const;

/** One of the scopes. */
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number];

/**
 * What the records of a client do not say themselves, for one that can send only its own JSON. Its members are named as
 * on the wire.
 */
export interface ApiKeyDefaults {
  /** The topic of all its records. */
  readonly topic?: string;
  /** The source of all its records; the name of the key when left out. */
  readonly source?: string;
  /** The member with the id of a record: its name, or a JSON Pointer to it. */
  readonly id_field?: string;
  /** The same for its time. */
  readonly time_field?: string;
}

/** A key in the form in which it is stored and passed in files. Its members are named as on the wire. */
export interface ApiKeyEntry {
  /** 16 lowercase hexadecimal characters. */
  readonly key_id: string;
  /** A name for people, of 1 to 128 characters. */
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  /** Topics, and `prefix.>` for every topic below a prefix; `null` means all topics. */
  readonly topics: readonly string[] | null;
  /** SHA-256 of the token, 64 lowercase hexadecimal characters. */
  readonly hash: string;
  readonly defaults?: ApiKeyDefaults;
}

/** Topics and prefixes of one key, at most. Each costs one comparison per event. */
export const API_KEY_TOPICS_MAX = 100;

const TOKEN = /^sekali_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;
const KEY_ID = /^[0-9a-f]{16}$/;
const HASH = /^[0-9a-f]{64}$/;
// eslint-disable-next-line no-control-regex -- finding control characters is the purpose
const NAME = /^[^\u0000-\u001f\u007f-\u009f]{1,128}$/u;
// eslint-disable-next-line no-control-regex -- finding control characters is the purpose
const FIELD = /^[^\u0000-\u001f\u007f-\u009f]{1,256}$/u;
const BELOW = '.>';
const ENTRY_FIELDS = ['key_id', 'name', 'scopes', 'topics', 'hash', 'defaults'];

/** Draws a token that cannot be guessed. Only the caller knows it. */
export function newApiKeyToken(): string {
  return `sekali_${randomBytes(8).toString('hex')}_${randomBytes(32).toString('base64url')}`;
}

/** The key id in a token, or `undefined` when the text does not have the form of a token. */
export function apiKeyIdOf(token: string): string | undefined {
  return TOKEN.exec(token)?.[1];
}

/** The stored form of a token: its SHA-256, 64 lowercase hexadecimal characters. */
export function apiKeyHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Says what is wrong with the id of a key, or `undefined` when nothing is. */
export function apiKeyIdError(value: unknown): string | undefined {
  return typeof value === 'string' && KEY_ID.test(value)
    ? undefined
    : 'a key id is 16 characters of 0-9 a-f, the part between the underscores of its token';
}

/** Says what is wrong with the name of a key, or `undefined` when nothing is. */
export function apiKeyNameError(value: unknown): string | undefined {
  return typeof value === 'string' && NAME.test(value) && value.isWellFormed()
    ? undefined
    : 'a name is 1 to 128 characters without control characters';
}

/** Says what is wrong with a list of scopes, or `undefined` when nothing is. */
export function apiKeyScopesError(value: unknown): string | undefined {
  const known: readonly unknown[] = API_KEY_SCOPES;
  const isRight =
    Array.isArray(value) &&
    value.length > 0 &&
    new Set(value).size === value.length &&
    value.every((scope) => known.includes(scope));
  return isRight ? undefined : `scopes are one or more of ${API_KEY_SCOPES.join(', ')}, each once`;
}

/** Says what is wrong with one entry of a list of topics, or `undefined` when nothing is. */
export function topicPatternError(value: unknown): string | undefined {
  const topic = typeof value === 'string' && value.endsWith(BELOW) ? value.slice(0, -BELOW.length) : value;
  return topicError(topic) === undefined
    ? undefined
    : 'a topic of a key is a topic, or a topic followed by ".>" for every topic below it';
}

/** Says what is wrong with the topics of a key, or `undefined` when nothing is. */
export function apiKeyTopicsError(value: unknown): string | undefined {
  if (value === null) return undefined;
  if (!Array.isArray(value) || value.length === 0 || value.length > API_KEY_TOPICS_MAX) {
    return `topics are null, which is all of them, or a list of 1 to ${API_KEY_TOPICS_MAX}`;
  }
  return value.map(topicPatternError).find((error) => error !== undefined);
}

/** Says what is wrong with the name of a record's member, or `undefined` when nothing is. */
export function recordFieldError(value: unknown): string | undefined {
  return typeof value === 'string' && FIELD.test(value) && value.isWellFormed()
    ? undefined
    : 'a field is the name of a member, or a JSON Pointer to one, of 1 to 256 characters without control characters';
}

const DEFAULT_RULES: Readonly<Record<keyof ApiKeyDefaults, (value: unknown) => string | undefined>> = {
  topic: topicError,
  source: sourceError,
  id_field: recordFieldError,
  time_field: recordFieldError,
};

/**
 * Says what is wrong with the defaults of a key, or `undefined` when nothing is. It never repeats a value.
 *
 * @param topics of the key, which have to cover the default one
 */
export function apiKeyDefaultsError(value: unknown, topics: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'defaults are a JSON object';
  const entries = Object.entries(value);
  const known = new Map(Object.entries(DEFAULT_RULES));
  if (!entries.every(([name]) => known.has(name)))
    return `defaults have ${[...known.keys()].join(', ')} and nothing more`;
  const broken = entries.map(([name, one]) => known.get(name)?.(one)).find((error) => error !== undefined);
  if (broken !== undefined) return `a default is wrong: ${broken}`;
  const { topic } = value as ApiKeyDefaults;
  if (topic === undefined) return 'defaults need a topic: without one they mean nothing';
  return apiKeyTopicsError(topics) === undefined && !coversTopic(topics as string[] | null, topic)
    ? 'the default topic is not one that the key covers'
    : undefined;
}

/** Every rule that an entry of a key file breaks; none when it is an `ApiKeyEntry`. It never repeats a value. */
export function apiKeyEntryErrors(value: unknown): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ['a key is a JSON object'];
  const entry = value as Readonly<Record<string, unknown>>;
  const hash = entry['hash'];
  return [
    apiKeyIdError(entry['key_id']),
    apiKeyNameError(entry['name']),
    apiKeyScopesError(entry['scopes']),
    apiKeyTopicsError(entry['topics']),
    apiKeyDefaultsError(entry['defaults'], entry['topics']),
    typeof hash === 'string' && HASH.test(hash)
      ? undefined
      : 'a hash is 64 characters of 0-9 a-f, the SHA-256 of the token',
    Object.keys(entry).every((name) => ENTRY_FIELDS.includes(name))
      ? undefined
      : `a key has ${ENTRY_FIELDS.join(', ')} and nothing more`,
  ].filter((error) => error !== undefined);
}

/** Whether a list of topics covers a topic. `null` covers all. */
export function coversTopic(topics: readonly string[] | null, topic: string): boolean {
  if (topics === null) return true;
  return topics.some((pattern) =>
    // Without its ">", the pattern "a.>" covers "a.b", but neither "a" nor "ab".
    pattern.endsWith(BELOW) ? topic.startsWith(pattern.slice(0, -1)) : pattern === topic,
  );
}
