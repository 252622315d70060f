/** What the stream of a test system has. */
import { jetstream } from '@nats-io/jetstream';
import type { TestSystem } from '#testing';
import type { SeenEvent } from './publisher-conformance.js';

/** Reads all events of the stream, in its order. */
export async function streamEvents(system: TestSystem): Promise<SeenEvent[]> {
  const consumer = await jetstream(system.connection).consumers.get(system.streamName);
  const events: SeenEvent[] = [];
  let { num_pending: left } = await consumer.info();
  while (left > 0) {
    const messages = await consumer.fetch({ max_messages: Math.min(left, 1_000), expires: 5_000 });
    for await (const message of messages) {
      const { event_id: id, payload } = message.json<{ event_id: string; payload: unknown }>();
      events.push({ topic: message.subject.slice(system.subjectPrefix.length + 1), id, payload });
      left -= 1;
    }
  }
  return events;
}
