import type { Message } from '../delivery.js';

/**
 * The ids that batches of this process are deciding on, one set for each batch. With them, no two batches
 * wait for each other in Postgres.
 */
export class InFlightIds {
  private readonly batches = new Set<ReadonlySet<string>>();

  /**
   * Takes the messages of a batch whose ids are not in flight, and keeps their ids until `release` is called.
   * If that would leave out more than half of them, it takes all: a few ids must not delay a whole batch.
   */
  take<E>(messages: readonly Message<E>[]): { taken: readonly Message<E>[]; release: () => void } {
    const taken = messages.filter((message) => !this.has(identityOf(message)));
    const those = taken.length * 2 < messages.length ? messages : taken;
    const ids = new Set(those.map(identityOf));
    this.batches.add(ids);
    return { taken: those, release: () => this.batches.delete(ids) };
  }

  private has(identity: string): boolean {
    for (const ids of this.batches) if (ids.has(identity)) return true;
    return false;
  }
}

/** A topic contains no space. */
function identityOf({ topic, eventId }: Message<unknown>): string {
  return `${topic} ${eventId}`;
}
