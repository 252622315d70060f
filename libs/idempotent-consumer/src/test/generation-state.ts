/** The states of the model of generations, and what may be taken out of it (generation-model.ts). */

/** What is taken out of the protocol. The model must find what goes wrong without it. */
export type Sabotage =
  | 'no trigger'
  | 'no wait for transactions'
  | 'closed generations are not read again'
  | 'look-up before the transaction'
  | 'no look-up by sequence'
  | 'filter built before the close'
  | 'filter forgets'
  | 'unknown generation counts as free of the id'
  | 'parent locked against readers';

/** A message. `idLater` is its id since the program decodes it in another way, after a restart. */
export interface ModelDelivery {
  readonly id: string;
  readonly seq: number;
  readonly idLater?: string;
}

export interface Scenario {
  /** The batches of each worker. */
  readonly workers: readonly (readonly (readonly ModelDelivery[])[])[];
  readonly changes: number;
  /** How many processes may die, or give up waiting for a lock. */
  readonly deaths: number;
  readonly sabotage?: Sabotage;
}

/** A row belongs to the transaction of worker `by`, or is committed. */
export interface Row {
  readonly id: string;
  readonly seq: number;
  by: number;
}
export type WorkerStep =
  'idle' | 'begun' | 'asked' | 'ready' | 'claiming' | 'claimed' | 'recorded' | 'committed';
export interface Worker {
  step: WorkerStep;
  /** The batch that is next. */
  batch: number;
  /** The youngest generation that it knows. */
  known: number;
  plain: boolean;
  restarted: boolean;
  filters: number[];
  /** For each delivery of the batch, the generations to look into. */
  suspects: number[][];
  found: boolean[];
  claimed: boolean[];
  readsParent: boolean;
}
export interface ModelState {
  tables: Row[][];
  closed: boolean[];
  duplicates: Row[];
  built: (string[] | null)[];
  closer: 'idle' | 'requested' | 'locked' | 'parent locked';
  changesLeft: number;
  deathsLeft: number;
  workers: Worker[];
  fault?: string;
}
export interface Action {
  readonly name: string;
  readonly isEnabled: (state: ModelState) => boolean;
  readonly apply: (state: ModelState) => void;
}

export const COMMITTED = -1;

export function firstState({ workers, changes, deaths }: Scenario): ModelState {
  return {
    tables: [[]],
    closed: [false],
    duplicates: [],
    built: [null],
    closer: 'idle',
    changesLeft: changes,
    deathsLeft: deaths,
    workers: workers.map(() => ({ ...newProcess(), batch: 0, restarted: false })),
  };
}

/** What a process forgets when it dies. */
export function newProcess(): Omit<Worker, 'batch' | 'restarted'> {
  return { ...newTransaction(), known: 0, plain: true, filters: [] };
}

export function newTransaction(): Pick<Worker, 'step' | 'suspects' | 'found' | 'claimed' | 'readsParent'> {
  return { step: 'idle', suspects: [], found: [], claimed: [], readsParent: false };
}

export const youngestOf = ({ tables }: ModelState): number => tables.length - 1;

export const takesLock = ({ sabotage }: Scenario): boolean =>
  sabotage !== 'no trigger' && sabotage !== 'no wait for transactions';

/** A request that waits holds up later ones as if it were granted. */
export function locksTable(scenario: Scenario, { closer }: ModelState): boolean {
  return closer !== 'idle' && takesLock(scenario);
}
