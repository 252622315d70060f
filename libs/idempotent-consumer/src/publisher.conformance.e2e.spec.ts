/** A publisher over HTTP, to a gateway that runs as in production. */
import { createTestSystem, startApp } from '#testing';
import { HttpEventPublisher } from './producer/http-event-publisher.js';
import { type PublisherImplementation, publisherConformance } from './test/publisher-conformance.js';
import { streamEvents } from './test/stream-events.js';

async function overHttp(): Promise<PublisherImplementation> {
  const system = await createTestSystem();
  const gateway = await startApp('gateway', system.environment);
  return {
    create: (form) => new HttpEventPublisher({ ...form, url: gateway.url }),
    seen: () => streamEvents(system),
    tooLargeBytes: 300_000,
    dispose: async () => {
      await gateway.stop();
      await system.dispose();
    },
  };
}

publisherConformance('a gateway over HTTP', overHttp);
