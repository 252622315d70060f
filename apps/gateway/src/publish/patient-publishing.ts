/** Publishing for requests that can wait: their bodies are read while they arrive, and the client waits meanwhile. */
import type { Publication, PublishOutcome } from '#broker';
import { pause } from '#waiting';
import type { RequestOrigin } from './publish-access.js';
import type { PublishRecord } from './publish-record.js';
import type { EventPublisher } from './publishing.js';

/** How long a full queue may hold up a request. The client waits meanwhile, because nothing is read. */
const BUSY_MS_MAX = 10_000;
const BUSY_PAUSE_MS = 20;

/**
 * Publishes events as soon as there is room for them, and notes their outcomes.
 *
 * @returns the outcomes in the order of the events, `busy` for all when there was no room in ten seconds
 */
export async function publishPatiently(
  publisher: EventPublisher,
  record: Pick<PublishRecord, 'note'>,
  events: readonly Publication[],
  origin: RequestOrigin,
): Promise<PublishOutcome[]> {
  if (events.length === 0) return [];
  const until = performance.now() + BUSY_MS_MAX;
  for (;;) {
    const outcomes = await publisher.publishAll(events, origin);
    if (!outcomes.every(isBusy) || performance.now() > until) {
      record.note(events, outcomes);
      return outcomes;
    }
    await pause(BUSY_PAUSE_MS);
  }
}

function isBusy(outcome: PublishOutcome): boolean {
  return outcome.status === 'unavailable' && outcome.reason === 'busy';
}
