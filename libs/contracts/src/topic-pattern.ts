/** Patterns of topics in a query, with the wildcards of NATS. */
import { topicError } from './event.js';

const ONE = '*';
const REST = '>';

/** Whether a text has a wildcard, and so names several topics. */
export function isTopicPattern(text: string): boolean {
  return text.split('.').some((token) => token === ONE || token === REST);
}

/** Says what is wrong with a topic or a pattern of a query, or `undefined` when nothing is. */
export function topicFilterError(text: string): string | undefined {
  const tokens = text.split('.');
  const isPlaced = tokens.every((token, index) => token !== REST || index === tokens.length - 1);
  const plain = tokens.map((token) => (token === ONE || token === REST ? 'x' : token)).join('.');
  if (isPlaced && topicError(plain) === undefined) return undefined;
  return 'a topic, or a pattern: "*" is any one token, and ">" at the end is one or more';
}

/** Whether a topic is the one of a pattern, or matches it. `logs.>` matches `logs.web`, and not `logs`. */
export function matchesTopic(pattern: string, topic: string): boolean {
  const expected = pattern.split('.');
  const tokens = topic.split('.');
  const isOpen = expected.at(-1) === REST;
  if (isOpen ? tokens.length < expected.length : tokens.length !== expected.length) return false;
  return expected.every((token, index) => token === ONE || token === REST || token === tokens[index]);
}

/** What every topic of a pattern begins with: its tokens before the first wildcard, with a dot behind each. */
export function topicPatternPrefix(pattern: string): string {
  const tokens = pattern.split('.');
  const first = tokens.findIndex((token) => token === ONE || token === REST);
  return tokens
    .slice(0, first === -1 ? tokens.length : first)
    .map((token) => `${token}.`)
    .join('');
}
