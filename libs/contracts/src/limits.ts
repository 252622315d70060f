/**
 * The bounds of an event. They are in one place, because the gateway refuses by them and the worker dead-letters by
 * them.
 */

/** Tokens in a topic, at most. */
export const TOPIC_TOKENS_MAX = 16;
/** Characters in one token of a topic, at most. */
export const TOPIC_TOKEN_LENGTH_MAX = 64;
/** Characters (code points) in an `event_id`, at most. */
export const EVENT_ID_LENGTH_MAX = 256;
/** Characters (code points) in a `source`, at most. */
export const SOURCE_LENGTH_MAX = 256;
/** Bytes of a whole event as JSON, at most, unless a setting differs: 256 KiB. */
export const EVENT_BYTES_MAX = 262_144;
/** Events in one `POST /publish`, at most. */
export const PUBLISH_EVENTS_MAX = 10_000;
/**
 * Members of one event that are inspected. An event has five; one with more than this is refused without naming each.
 */
export const EVENT_NAMES_MAX = 64;
/** Levels of nesting in a payload, at most. Postgres' own JSON parser gives up some thousands deeper. */
export const PAYLOAD_DEPTH_MAX = 500;
/** Characters of one number in a payload, at most. */
export const NUMBER_LENGTH_MAX = 1_000;
/** Largest exponent of a number in a payload, either sign. `1e9999` would be printed as 10,000 digits. */
export const NUMBER_EXPONENT_MAX = 400;
/**
 * Sum of the exponents of all numbers in a payload, at most. It bounds the digits that are printed beyond the written
 * ones.
 */
export const EXPONENTS_SUM_MAX = 65_536;
/** Events in one page of `GET /events` when `limit` is not given. */
export const PAGE_SIZE_DEFAULT = 1_000;
/** Events in one page of `GET /events`, at most; a larger `limit` is reduced to this. */
export const PAGE_SIZE_MAX = 10_000;
