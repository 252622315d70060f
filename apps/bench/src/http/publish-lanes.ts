/**
 * A client that publishes over some lanes. Each lane sends its next event when its last one is acknowledged, so the lanes
 * are as many as the events in flight. The events are those of the load, written in the same way.
 */
import { performance } from 'node:perf_hooks';
import type { NatsConnection } from '@nats-io/nats-core';
import { connectBroker } from '#broker';
import { type GatewaySettings, readGatewaySettings } from '#config';
import { EventNumbers } from './event-numbers.js';
import type { PublishOrder, PublishReport } from './load-order.js';
import { MeasuredWindow } from './measured-window.js';
import { carryOut } from './program-run.js';

/** How the events of one lane are published. Each call resolves when the brokers have the event. */
export type Lane = (number: number) => Promise<void>;

/** Creates the lanes, on a connection that is closed after the last of them has ended. */
export type LanesOf = (
  connection: NatsConnection,
  settings: GatewaySettings,
  order: PublishOrder,
) => () => Lane;

/** In the program: publishes for the time of the order, and reports. */
export async function publishOverLanes(name: string, lanesOf: LanesOf): Promise<void> {
  await carryOut(async (order: PublishOrder): Promise<PublishReport> => {
    const settings = readGatewaySettings();
    const connection = await connectBroker({ urls: settings.SEKALI_NATS_URLS, name }, { waitForFirst: true });
    const newLane = lanesOf(connection, settings, order);
    const window = new MeasuredWindow(order);
    let different = 0;
    const run = async (index: number): Promise<void> => {
      const numbers = new EventNumbers(index, order.repeatShare);
      const publish = newLane();
      while (!window.isClosed(performance.now())) {
        const sentAt = performance.now();
        await publish(numbers.next());
        window.counts(sentAt, performance.now());
      }
      different += numbers.different;
    };
    const { inFlight = settings.SEKALI_PUBLISH_IN_FLIGHT_MAX } = order;
    const before = process.cpuUsage();
    await Promise.all(Array.from({ length: inFlight }, (_, index) => run(index)));
    const eventsPerSecond = window.ratePerSecond(performance.now());
    const { user, system } = process.cpuUsage(before);
    await connection.close();
    return { eventsPerSecond, differentAccepted: different, processorMs: (user + system) / 1_000 };
  });
}
