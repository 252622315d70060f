/**
 * Says in which closed generations an id may be.
 *
 * Correctness must not depend on it in one direction: a generation that has the id is always named. A
 * generation that is named without need costs a lookup.
 */
export interface KeyFilters {
  /** Returns the numbers of the closed generations that may have the id. It is called for each message. */
  suspectsOf(topic: string, eventId: string): readonly number[];
  /** Learns how many of the suspected ids were found in a generation, for the figures of the filters. */
  found?(generation: number, ids: number): void;
}

/** A closing of a generation. A store that went back in time may close it once more, with other keys. */
export interface ClosedGeneration {
  readonly number: number;
  /** When it was closed, in seconds since 1970, with microseconds. */
  readonly closedAt: string;
}

/** Suspects every id in every closed generation: what is true while no filter is loaded. */
export function allSuspect(closed: readonly ClosedGeneration[]): KeyFilters {
  const numbers = closed.map(({ number }) => number);
  return { suspectsOf: () => numbers };
}
