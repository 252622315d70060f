/** What a worker does, as its row in the database says it. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { ConsumerHealth } from '#idempotent-consumer';
import type { ProgramFigures } from '#store';
import type { WorkerTransport } from './transport-options.js';

/** The state of a worker is that of its consumer which comes first here. */
const STATES: readonly ConsumerHealth['state'][] = ['stuck', 'waiting', 'disconnected', 'working', 'idle'];

/** Counts what the consumers of a worker decide, once a batch. */
export class WorkerActivity {
  private messages = 0;

  /** Returns the options of the transport, with consumers that are counted. */
  counted(options: WorkerTransport): WorkerTransport {
    const { observerOf } = options;
    return {
      ...options,
      observerOf: (pattern) => {
        const observe = observerOf(pattern);
        return (event) => {
          if (event.type === 'committed') this.messages += event.seqs.length;
          observe(event);
        };
      },
    };
  }

  /** @param retentionAtMs when the worker last dropped all that was older than its rule */
  figures(
    consumers: ReadonlyMap<string, ConsumerHealth>,
    connection: Pick<NatsConnection, 'info'>,
    retentionAtMs: number | undefined,
  ): ProgramFigures {
    const all = [...consumers.values()];
    return {
      broker: connection.info?.server_name,
      state: STATES.find((state) => all.some((consumer) => consumer.state === state)) ?? 'idle',
      held: all.reduce((sum, { held }) => sum + held, 0),
      messages: this.messages,
      retentionAtMs,
    };
  }
}
