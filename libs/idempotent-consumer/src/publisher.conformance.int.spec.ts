/** A publisher to a stream and its twin in memory keep one contract. The one over HTTP: publisher.conformance.e2e.spec.ts. */
import { createTestSystem } from '#testing';
import { MemoryEventPublisher } from './memory/memory-event-publisher.js';
import { StreamEventPublisher } from './producer/stream-event-publisher.js';
import { type PublisherImplementation, publisherConformance } from './test/publisher-conformance.js';
import { streamEvents } from './test/stream-events.js';

async function onBrokers(): Promise<PublisherImplementation> {
  const system = await createTestSystem();
  const { connection, streamName: stream, subjectPrefix } = system;
  return {
    create: (form) => new StreamEventPublisher({ ...form, connection, stream, subjectPrefix }),
    seen: () => streamEvents(system),
    tooLargeBytes: 1_100_000,
    dispose: () => system.dispose(),
  };
}

async function inMemory(): Promise<PublisherImplementation> {
  const created: { readonly published: MemoryEventPublisher['published'] }[] = [];
  return Promise.resolve({
    create: (form) => {
      const refuse = (_topic: string, id: string): 'too_large' | undefined =>
        id === 'large' ? 'too_large' : undefined;
      const publisher = new MemoryEventPublisher({ ...form, refuse });
      created.push(publisher);
      return publisher;
    },
    seen: () =>
      Promise.resolve(
        created.flatMap(({ published }) =>
          published.map(({ topic, id, payload }) => ({ topic, id, payload })),
        ),
      ),
    tooLargeBytes: 0,
    dispose: () => Promise.resolve(),
  });
}

publisherConformance('a stream of JetStream', onBrokers);
publisherConformance('its twin in memory', inMemory);
