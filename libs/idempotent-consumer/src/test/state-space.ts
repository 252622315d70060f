/** Visits every state that a model can reach, by every interleaving of its actions. */

/** A model with states that can be written as JSON. */
export interface Model<S> {
  readonly first: S;
  readonly actions: readonly {
    readonly name: string;
    readonly isEnabled: (state: S) => boolean;
    /** Changes the state that it gets. */
    readonly apply: (state: S) => void;
  }[];
  /** Returns what is wrong in a state. */
  readonly faultOf: (state: S) => string | undefined;
  /** Whether all work is done. */
  readonly isEnd: (state: S) => boolean;
  /** Returns what is wrong in a state in which all work is done. */
  readonly faultAtEnd: (state: S) => string | undefined;
}

export interface Exploration {
  readonly states: number;
  /** How many states have all work done. */
  readonly ends: number;
  /** The first fault that was found, on a shortest way. */
  readonly fault?: string;
  /** The actions that lead to the fault. */
  readonly trace: readonly string[];
}

/**
 * Visits the states, nearest first, until one is wrong. A state from which no end can be reached is wrong as well:
 * work waits there for ever.
 *
 * @param statesMax a bound on the number of states
 * @throws RangeError when there are more
 */
export function explore<S>(model: Model<S>, statesMax = 2_000_000): Exploration {
  const space = new StateSpace(model, statesMax);
  for (let at = 0; at < space.keys.length; at++) {
    const fault = space.visit(at);
    if (fault !== undefined) return space.found(at, fault);
  }
  const stuck = space.firstWithoutEnd();
  return stuck === undefined ? space.found(0, undefined) : space.found(stuck, 'work waits for ever');
}

class StateSpace<S> {
  readonly keys: string[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly ways: { from: number; action: string }[] = [];
  private readonly predecessors: number[][] = [];
  private readonly ends: number[] = [];

  constructor(
    private readonly model: Model<S>,
    private readonly statesMax: number,
  ) {
    this.add(JSON.stringify(model.first), -1, 'start');
  }

  /** Adds the states that follow one. @returns what is wrong in it */
  visit(at: number): string | undefined {
    const key = this.keys[at] as string;
    const state = JSON.parse(key) as S;
    const isEnd = this.model.isEnd(state);
    if (isEnd) this.ends.push(at);
    const fault = this.model.faultOf(state) ?? (isEnd ? this.model.faultAtEnd(state) : undefined);
    if (fault !== undefined) return fault;
    for (const action of this.model.actions) {
      if (!action.isEnabled(state)) continue;
      const next = JSON.parse(key) as S;
      action.apply(next);
      this.add(JSON.stringify(next), at, action.name);
    }
    return undefined;
  }

  firstWithoutEnd(): number | undefined {
    const reaching = new Set(this.ends);
    const open = [...this.ends];
    for (let at = open.pop(); at !== undefined; at = open.pop())
      for (const before of this.predecessors[at] ?? []) {
        if (reaching.has(before)) continue;
        reaching.add(before);
        open.push(before);
      }
    const stuck = this.keys.findIndex((_, at) => !reaching.has(at));
    return stuck === -1 ? undefined : stuck;
  }

  found(at: number, fault: string | undefined): Exploration {
    const figures = { states: this.keys.length, ends: this.ends.length };
    if (fault === undefined) return { ...figures, trace: [] };
    const trace: string[] = [];
    for (let step = at; step > 0; step = this.ways[step]?.from ?? 0)
      trace.push(this.ways[step]?.action ?? '');
    return { ...figures, fault, trace: trace.reverse() };
  }

  private add(key: string, from: number, action: string): void {
    let number = this.numbers.get(key);
    if (number === undefined) {
      number = this.keys.length;
      if (number === this.statesMax) throw new RangeError(`the model has more than ${number} states`);
      this.numbers.set(key, number);
      this.keys.push(key);
      this.ways.push({ from, action });
      this.predecessors.push([]);
    }
    if (from >= 0) this.predecessors[number]?.push(from);
  }
}
