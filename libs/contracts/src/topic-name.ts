/** Maps names of other protocols (an index, a service, a type) to topics, by one rule at every door. */
import { TOPIC_TOKEN_LENGTH_MAX, TOPIC_TOKENS_MAX } from './limits.js';

/**
 * The topic of a name: `a/b:c` becomes `a_b_c`.
 *
 * Each character that no topic has becomes `_`, and so does an empty token. A token is cut at its bound, and dots
 * beyond the last token become `_`. Different names may become one topic.
 *
 * @param name any text; the empty one becomes `_`
 * @returns a valid topic, which equals the name where the name is one
 */
export function topicFromName(name: string): string {
  const tokens = name.replaceAll(/[^A-Za-z0-9_.-]/gu, '_').split('.');
  const first = tokens.slice(0, TOPIC_TOKENS_MAX - 1);
  const rest = tokens.slice(TOPIC_TOKENS_MAX - 1).join('_');
  const all = tokens.length < TOPIC_TOKENS_MAX ? tokens : [...first, rest];
  return all.map((token) => (token === '' ? '_' : token.slice(0, TOPIC_TOKEN_LENGTH_MAX))).join('.');
}
