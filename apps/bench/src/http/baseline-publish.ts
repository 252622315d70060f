/**
 * The baseline for many events per request: one client and bounded `js.publish`, without any HTTP.
 *
 * As many publishes as in the gateway wait for the brokers at a time. Each lane sends its next event when its last one
 * is acknowledged. The events are those of the load, written in the same way.
 */
import { performance } from 'node:perf_hooks';
import { jetstream } from '@nats-io/jetstream';
import { connectBroker } from '#broker';
import { readGatewaySettings } from '#config';
import { EventBody, eventIdOfNumber, topicOfNumber } from './event-body.js';
import { EventNumbers } from './event-numbers.js';
import type { PublishOrder, PublishReport } from './load-order.js';
import { MeasuredWindow } from './measured-window.js';
import { carryOut } from './program-run.js';

await carryOut(async (order: PublishOrder): Promise<PublishReport> => {
  const settings = readGatewaySettings();
  const connection = await connectBroker(
    { urls: settings.SEKALI_NATS_URLS, name: 'baseline-publish' },
    { waitForFirst: true },
  );
  const client = jetstream(connection);
  const window = new MeasuredWindow(order);
  let different = 0;

  const lane = async (index: number): Promise<void> => {
    const numbers = new EventNumbers(index, order.repeatShare);
    const body = new EventBody(order.idPrefix, 1, 'object');
    while (!window.isClosed(performance.now())) {
      const number = numbers.next();
      const topic = topicOfNumber(number);
      body.write(0, number);
      const sentAt = performance.now();
      await client.publish(`${settings.SEKALI_SUBJECT_PREFIX}.${topic}`, body.bytes, {
        msgID: `${topic}:${eventIdOfNumber(order.idPrefix, number)}`,
      });
      window.counts(sentAt, performance.now());
    }
    different += numbers.different;
  };

  const before = process.cpuUsage();
  const lanes = Array.from({ length: settings.SEKALI_PUBLISH_IN_FLIGHT_MAX }, (_, index) => lane(index));
  await Promise.all(lanes);
  const eventsPerSecond = window.ratePerSecond(performance.now());
  const { user, system } = process.cpuUsage(before);
  await connection.close();
  return { eventsPerSecond, differentAccepted: different, processorMs: (user + system) / 1_000 };
});
