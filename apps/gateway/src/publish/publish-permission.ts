/** Applies the topics of a key to the events of a request. */
import { coversTopic } from '#contracts';
import { problem, ProblemError } from '../problems/problem-error.js';
import type { Checked } from './publish-request.js';

/** Events named in one refusal, at most. */
const NAMED_MAX = 100;

/**
 * Marks events outside of a key's topics as invalid.
 *
 * @param topics see `coversTopic`
 * @throws ProblemError 403, with index and topic of each, when one is outside and handling is not lenient, or when
 *   all are
 */
export function restrictToTopics(
  events: readonly Checked[],
  topics: readonly string[] | null,
  lenient: boolean,
): readonly Checked[] {
  if (topics === null) return events;
  const outside = events.flatMap(({ topic }, index) =>
    topic === undefined || coversTopic(topics, topic) ? [] : [{ index, topic }],
  );
  if (outside.length === 0) return events;
  if (!lenient || outside.length === events.length) throw refused(outside, events.length);
  return withoutOthers(events, topics);
}

/** Marks events outside of a key's topics as invalid, and refuses nothing. @param topics see `coversTopic` */
export function withoutOthers(
  events: readonly Checked[],
  topics: readonly string[] | null,
): readonly Checked[] {
  if (topics === null) return events;
  return events.map((event) =>
    event.topic === undefined || coversTopic(topics, event.topic) ? event : forbidden(event),
  );
}

function forbidden({ topic, eventId }: Checked): Checked {
  const errors = [{ field: 'topic', message: 'the key does not cover this topic' }];
  return {
    valid: false,
    ...(topic === undefined ? {} : { topic }),
    ...(eventId === undefined ? {} : { eventId }),
    errors,
  };
}

function refused(outside: readonly { index: number; topic: string }[], events: number): ProblemError {
  const [{ index, topic } = { index: 0, topic: '' }] = outside;
  const others = outside.length > 1 ? ` and ${outside.length - 1} more` : '';
  const detail = `The key does not cover the topic of ${outside.length} of ${events} events: index ${index}, topic ${topic}${others}; nothing was published.`;
  return new ProblemError(problem('missing-topic', 403, detail, { outside: outside.slice(0, NAMED_MAX) }));
}
