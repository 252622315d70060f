import type { PoisonMessage } from './delivery.js';
import type { OutageGate } from './outage-gate.js';
import { type Failure, type Observer, type Outcome, putBack } from './outcome.js';

type Outcomes = Map<number, Outcome>;

/** Reports the dead letters that were written to the observer. */
export function reportDeadLetters(
  observe: Observer,
  poison: readonly PoisonMessage[],
  outcomes: ReadonlyMap<number, Outcome>,
): void {
  for (const { delivery, topic, eventId, reason, detail } of poison) {
    if (outcomes.get(delivery.seq)?.kind !== 'dead-letter') continue;
    const named = { topic, ...(eventId !== undefined && { eventId }) };
    observe({ type: 'dead-letter', seq: delivery.seq, ...named, reason, detail });
  }
}

/** Decides what happens to dead letters that could not be written. */
export class DeadLetterOutcomes {
  constructor(
    private readonly attempt: (
      streamId: number,
      poison: readonly PoisonMessage[],
    ) => Promise<Outcomes | Failure>,
    private readonly gate: OutageGate,
  ) {}

  /**
   * Handles dead letters that could not be written together. One that Postgres refuses must neither block the
   * others nor be lost, so each is written by itself.
   */
  async afterFailure(streamId: number, poison: readonly PoisonMessage[], error: unknown): Promise<Outcomes> {
    if (poison.length > 1) return this.writeEach(streamId, poison, error);
    await this.gate.waitForStore(error, 0);
    return putBack(poison.map(({ delivery }) => delivery.seq));
  }

  private async writeEach(
    streamId: number,
    poison: readonly PoisonMessage[],
    failure: unknown,
  ): Promise<Outcomes> {
    const outcomes: Outcomes = new Map();
    let error = failure;
    for (const one of poison) {
      const tried = await this.attempt(streamId, [one]);
      if (!(tried instanceof Map)) error = tried.error;
      const outcomesOfOne = tried instanceof Map ? tried : putBack([one.delivery.seq]);
      for (const [seq, outcome] of outcomesOfOne) outcomes.set(seq, outcome);
    }
    const isAnyWritten = [...outcomes.values()].some(({ kind }) => kind !== 'retry');
    if (!isAnyWritten) await this.gate.waitForStore(error, 0);
    return outcomes;
  }
}
