/** A service that publishes with the library's `EventPublisher`. What it publishes is what the baseline does. */
import { StreamEventPublisher } from '#idempotent-consumer/producer';
import { eventIdOfNumber, eventPayload, topicOfNumber } from '../http/event-body.js';
import { publishOverLanes } from '../http/publish-lanes.js';

const TIMESTAMP = '2026-11-22T10:00:00.000Z';

await publishOverLanes('library-publish', (connection, settings, { idPrefix, inFlight }) => {
  const publisher = new StreamEventPublisher({
    connection,
    stream: settings.SEKALI_STREAM,
    subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
    source: 'bench',
    ...(inFlight !== undefined && { inFlightMax: inFlight }),
  });
  const payload = eventPayload(idPrefix);
  return () => async (number) => {
    const id = eventIdOfNumber(idPrefix, number);
    const event = { topic: topicOfNumber(number), id, timestamp: TIMESTAMP, payload };
    const outcome = await publisher.publish(event);
    if (outcome.status !== 'accepted') throw new Error(`${id} was ${outcome.status}`);
  };
});
