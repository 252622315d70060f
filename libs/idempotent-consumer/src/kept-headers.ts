/**
 * How much of the headers is kept. Brokers accept 64 KiB of them with every message, and a dead letter stays.
 */
const HEADERS_LENGTH_MAX = 8_192;
/** Longer than the message id of any event, which has the longest topic and the longest event id. */
const HEADER_LENGTH_MAX = 2_048;

/** Returns the first headers as JSON, such as `{"Nats-Msg-Id":["orders:1"]}`, with long values shortened. */
export function keptHeaders(headers: Iterable<readonly [name: string, values: readonly string[]]>): string {
  let left = HEADERS_LENGTH_MAX;
  const kept: [string, string[]][] = [];
  for (const [name, all] of headers) {
    const values = all.map(shortened);
    left -= values.reduce((sum, { length }) => sum + length, name.length);
    if (left < 0) break;
    kept.push([name, values]);
  }
  return JSON.stringify(Object.fromEntries(kept));
}

/** Shortens a value to the limit, and never cuts a character in half. */
function shortened(value: string): string {
  if (value.length <= HEADER_LENGTH_MAX) return value;
  return `${value.slice(0, HEADER_LENGTH_MAX - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
