/** A system behind the page: a gateway and a worker as processes, and what is sent to them. */
import { startApp, waitFor, type App, type TestSystem } from '#testing';

const TOPIC = 'orders.created';

/** An event as a producer sends it. */
export function event(id: string, payload: object = { total: 12.5 }, topic = TOPIC): object {
  return { topic, event_id: id, timestamp: '2026-11-22T10:00:00.000Z', source: 'checkout', payload };
}

/** A gateway and a worker on a test's system. */
export class PageSystem {
  private constructor(
    readonly system: TestSystem,
    private readonly gateway: App,
    readonly url: string,
  ) {}

  static async start(system: TestSystem): Promise<PageSystem> {
    const [gateway] = await Promise.all([
      startApp('gateway', system.environment),
      startApp('worker', system.environment),
    ]);
    return new PageSystem(system, gateway, gateway.url);
  }

  /** Ends the gateway, as a deployment does. */
  async stopGateway(): Promise<void> {
    await this.gateway.stop();
  }

  /** Publishes events until the brokers have them. Where they do not take them in time, repeating is safe. */
  async publish(...events: readonly object[]): Promise<void> {
    const send = async (): Promise<boolean> => {
      const response = await fetch(`${this.url}/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(events),
      });
      return response.status === 202;
    };
    await waitFor(send, { timeoutMs: 40_000, describe: 'the brokers to take the events' });
  }

  /** Publishes bytes that are not an event, so that they become a dead letter. */
  async publishBroken(topic: string, text: string): Promise<void> {
    const { connection, subjectPrefix } = this.system;
    connection.publish(`${subjectPrefix}.${topic}`, text);
    await connection.flush();
  }

  /** Resolves when nothing is in flight and at least as many messages were received. */
  async settles(received: number): Promise<void> {
    await waitFor(
      async () => {
        const response = await fetch(`${this.url}/stats`);
        const stats = (await response.json()) as { received: number; in_flight: number };
        return stats.received >= received && stats.in_flight === 0;
      },
      { timeoutMs: 20_000, describe: `${received} messages to be settled` },
    );
  }
}
