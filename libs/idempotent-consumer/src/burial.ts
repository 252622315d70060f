/** Dead letters: told when they are written, and what becomes of those that could not be written. */
import type { PoisonMessage } from './delivery.js';
import type { OutageGate } from './outage-gate.js';
import { type Failure, type Observer, type Outcome, putBack } from './outcome.js';

type Outcomes = Map<number, Outcome>;

/** See the head of this file. */
export class Burial {
  constructor(
    private readonly attempt: (
      streamId: number,
      poison: readonly PoisonMessage[],
    ) => Promise<Outcomes | Failure>,
    private readonly gate: OutageGate,
    private readonly observe: Observer,
  ) {}

  /** Dead letters that could not be written. One that Postgres refuses must not hold up the others, nor be lost. */
  async settle(streamId: number, poison: readonly PoisonMessage[], error: unknown): Promise<Outcomes> {
    if (poison.length > 1) return this.settleEach(streamId, poison, error);
    await this.gate.waitForStore(error, 0);
    return putBack(poison.map(({ delivery }) => delivery.seq));
  }

  /** Tells the observer of those that were written. */
  tell(poison: readonly PoisonMessage[], outcomes: ReadonlyMap<number, Outcome>): void {
    for (const { delivery, reason, detail } of poison) {
      if (outcomes.get(delivery.seq)?.kind !== 'dead-letter') continue;
      this.observe({ type: 'dead-letter', seq: delivery.seq, reason, detail });
    }
  }

  private async settleEach(
    streamId: number,
    poison: readonly PoisonMessage[],
    failure: unknown,
  ): Promise<Outcomes> {
    const outcomes: Outcomes = new Map();
    let error = failure;
    for (const one of poison) {
      const tried = await this.attempt(streamId, [one]);
      if (!(tried instanceof Map)) error = tried.error;
      const settled = tried instanceof Map ? tried : putBack([one.delivery.seq]);
      for (const [seq, outcome] of settled) outcomes.set(seq, outcome);
    }
    const isAnyWritten = [...outcomes.values()].some(({ kind }) => kind !== 'retry');
    if (!isAnyWritten) await this.gate.waitForStore(error, 0);
    return outcomes;
  }
}
