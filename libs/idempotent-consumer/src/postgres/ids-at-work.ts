/** The ids that batches of this process are deciding on, so that no two of them wait for each other in Postgres. */
import type { Message } from '../delivery.js';

/** Ids at work, a set for each batch. */
export class IdsAtWork {
  private readonly batches = new Set<ReadonlySet<string>>();

  /**
   * Takes the messages of a batch whose ids no other batch has, and keeps their ids until `release` is called. Where that
   * would leave out more than half of them, it takes all: a batch should not be put off for the sake of a few.
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

/** A topic has no space in it. */
function identityOf({ topic, eventId }: Message<unknown>): string {
  return `${topic} ${eventId}`;
}
