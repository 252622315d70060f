/**
 * A model of two workers, a change of generation and the filters of keys, small enough that each of its
 * interleavings is visited.
 *
 *   worker   begin ─▶ ask filters ─▶ look up ─▶ claim, row by row ─▶ record repeats ─▶ commit ─▶ ack
 *   closer   request the lock ─▶ lock the youngest table ─▶ commit
 *   builder  build the filter of a closed generation; each worker loads it some time later
 *
 * Each arrow is one atomic step, and the steps of all of them mix in every order. A process may die before
 * each step, and a worker also between its commit and its ack. The rules of Postgres are in it: each statement
 * has the snapshot of its beginning, a unique constraint waits for the transaction that holds the id, a table
 * lock waits, and a later request queues behind a waiting one.
 *
 * Left out: messages that are given up. They exclude other batches by locks on sequences, which do not depend
 * on generations.
 */

import { type Exploration, explore } from './state-space.js';

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
  /** Whether `begin` compares the youngest generation with the one that is known. The default is true. */
  readonly beginCompares?: boolean;
}

/** A row belongs to the transaction of worker `by`, or is committed. */
interface Row {
  readonly id: string;
  readonly seq: number;
  by: number;
}
type WorkerStep = 'idle' | 'begun' | 'asked' | 'ready' | 'claiming' | 'claimed' | 'recorded' | 'committed';
interface Worker {
  step: WorkerStep;
  /** The batch that is next. */
  batch: number;
  /** The youngest generation that it knows, or -1. */
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
interface ModelState {
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
interface Action {
  readonly name: string;
  readonly isEnabled: (state: ModelState) => boolean;
  readonly apply: (state: ModelState) => void;
}

const COMMITTED = -1;
const UNKNOWN = -1;

function firstState({ workers, changes, deaths }: Scenario): ModelState {
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
function newProcess(): Omit<Worker, 'batch' | 'restarted'> {
  return { ...newTransaction(), known: UNKNOWN, plain: true, filters: [] };
}

function newTransaction(): Pick<Worker, 'step' | 'suspects' | 'found' | 'claimed' | 'readsParent'> {
  return { step: 'idle', suspects: [], found: [], claimed: [], readsParent: false };
}

/** Visits every interleaving of a scenario. @returns what was found */
export function exploreScenario(scenario: Scenario): Exploration {
  return explore<ModelState>({
    first: firstState(scenario),
    actions: actionsOf(scenario),
    faultOf,
    isEnd: (state) => isEnd(scenario, state),
    faultAtEnd: (state) => faultAtEnd(scenario, state),
  });
}

/** Returns all that can happen in a scenario, whether or not it is enabled in a state. */
function actionsOf(scenario: Scenario): Action[] {
  const generations = Array.from({ length: scenario.changes + 1 }, (_, generation) => generation);
  return [
    ...scenario.workers.flatMap((_, index) => [
      ...transactionOf(scenario, index),
      ...claimOf(scenario, index),
      ...generations.map((generation) => loadOf(index, generation)),
    ]),
    ...closerOf(scenario),
    ...generations.map((generation) => buildOf(scenario, generation)),
  ];
}

/** Whether all work is done. */
function isEnd(scenario: Scenario, { workers, changesLeft, closer }: ModelState): boolean {
  const isDone = workers.every((worker, index) => worker.batch === scenario.workers[index]?.length);
  return isDone && changesLeft === 0 && closer === 'idle';
}

/** Returns what is wrong in a state, wherever it occurs. */
function faultOf(state: ModelState): string | undefined {
  const rows = state.tables.flat().filter(({ by }) => by === COMMITTED);
  if (new Set(rows.map(({ id }) => id)).size < rows.length) return 'an identity is stored twice';
  if (new Set(rows.map(({ seq }) => seq)).size < rows.length) return 'a message took effect twice';
  return state.fault;
}

/** Returns what is wrong at an end: each message needs one outcome. */
function faultAtEnd(scenario: Scenario, state: ModelState): string | undefined {
  const rows = [...state.tables.flat(), ...state.duplicates];
  const seqs = new Set(scenario.workers.flat(2).map(({ seq }) => seq));
  for (const seq of seqs) {
    const outcomes = rows.filter((row) => row.seq === seq).length;
    if (outcomes !== 1) return `message ${seq} has ${outcomes} outcomes`;
  }
  return undefined;
}

const youngestOf = ({ tables }: ModelState): number => tables.length - 1;

function batchOf(scenario: Scenario, state: ModelState, index: number): ModelDelivery[] {
  const { batch, restarted } = state.workers[index] as Worker;
  const deliveries = scenario.workers[index]?.[batch] ?? [];
  return deliveries.map(({ id, seq, idLater }) => ({ id: restarted ? (idLater ?? id) : id, seq }));
}

function step(
  index: number,
  name: string,
  from: WorkerStep,
  apply: (state: ModelState, worker: Worker) => void,
  isEnabled: (state: ModelState, worker: Worker) => boolean = () => true,
): Action {
  return {
    name: `worker ${index} ${name}`,
    isEnabled: (state) => {
      const worker = state.workers[index] as Worker;
      return worker.step === from && isEnabled(state, worker);
    },
    apply: (state) => {
      apply(state, state.workers[index] as Worker);
    },
  };
}

function rollBack(state: ModelState, index: number): void {
  state.tables = state.tables.map((rows) => rows.filter(({ by }) => by !== index));
  state.duplicates = state.duplicates.filter(({ by }) => by !== index);
  Object.assign(state.workers[index] as Worker, newTransaction());
}

/** The steps of a transaction, except those of the claim, and the death of its process. */
function transactionOf(scenario: Scenario, index: number): Action[] {
  const begin = (state: ModelState, worker: Worker): void => {
    const isStale = scenario.beginCompares !== false && worker.known !== youngestOf(state);
    if (worker.known === UNKNOWN || isStale) worker.known = youngestOf(state);
    else worker.step = 'begun';
  };
  const hasWork = (state: ModelState): boolean => batchOf(scenario, state, index).length > 0;
  const ask = (state: ModelState, worker: Worker): void => {
    worker.suspects = batchOf(scenario, state, index).map(({ id }) =>
      suspectsOf(scenario, state, worker, id),
    );
    worker.step = 'asked';
  };
  const isReadable = ({ closer }: ModelState): boolean => closer !== 'parent locked';
  return [
    step(index, 'begins', 'idle', begin, hasWork),
    step(index, 'asks the filters', 'begun', ask),
    step(
      index,
      'looks up',
      'asked',
      (state, worker) => readClosed(scenario, state, worker, index),
      isReadable,
    ),
    step(index, 'commits', 'recorded', (state) => commit(state, index)),
    step(index, 'acknowledges', 'committed', (_, worker) => {
      Object.assign(worker, newTransaction(), { batch: worker.batch + 1 });
    }),
    deathOf(index),
  ];
}

function deathOf(index: number): Action {
  return {
    name: `worker ${index} dies`,
    isEnabled: ({ deathsLeft, workers }) => deathsLeft > 0 && workers[index]?.known !== UNKNOWN,
    apply: (state) => {
      rollBack(state, index);
      state.deathsLeft--;
      Object.assign(state.workers[index] as Worker, newProcess(), { restarted: true });
    },
  };
}

function suspectsOf({ sabotage }: Scenario, state: ModelState, worker: Worker, id: string): number[] {
  const closed = Array.from({ length: worker.known }, (_, generation) => generation);
  return closed.filter((generation) => {
    if (!worker.filters.includes(generation))
      return sabotage !== 'unknown generation counts as free of the id';
    return sabotage !== 'filter forgets' && state.built[generation]?.includes(id) === true;
  });
}

function readClosed(scenario: Scenario, state: ModelState, worker: Worker, index: number): void {
  const closed = state.tables.slice(0, worker.known);
  const bySequence = scenario.sabotage !== 'no look-up by sequence';
  worker.found = batchOf(scenario, state, index).map(({ id, seq }, at) =>
    closed.some((rows, generation) =>
      rows.some(
        (row) =>
          row.by === COMMITTED &&
          ((row.id === id && worker.suspects[at]?.includes(generation)) || (bySequence && row.seq === seq)),
      ),
    ),
  );
  worker.step = 'ready';
  worker.readsParent = true;
}

function commit(state: ModelState, index: number): void {
  for (const row of [...state.tables.flat(), ...state.duplicates]) if (row.by === index) row.by = COMMITTED;
  Object.assign(state.workers[index] as Worker, newTransaction(), { step: 'committed' });
}

/** The claim takes the table lock, meets the trigger, and inserts row by row. */
function claimOf(scenario: Scenario, index: number): Action[] {
  const isUnlocked = (state: ModelState, worker: Worker): boolean =>
    worker.found.every(Boolean) || worker.known !== youngestOf(state) || !locksTable(scenario, state);
  const isFree = (state: ModelState, worker: Worker): boolean => {
    const delivery = batchOf(scenario, state, index)[worker.claimed.length];
    const holder = delivery && holderOf(state, worker, delivery);
    return holder === undefined || holder.by === COMMITTED || holder.by === index;
  };
  return [
    step(index, 'starts the claim', 'ready', (state) => startClaim(scenario, state, index), isUnlocked),
    step(index, 'claims a row', 'claiming', (state) => claimRow(scenario, state, index), isFree),
    recordingOf(scenario, index),
  ];
}

function startClaim({ sabotage }: Scenario, state: ModelState, index: number): void {
  const worker = state.workers[index] as Worker;
  if (sabotage === 'look-up before the transaction') worker.known = youngestOf(state);
  if (worker.found.every(Boolean)) {
    worker.step = 'claimed';
    return;
  }
  if (state.closed[worker.known] !== true) {
    worker.step = 'claiming';
    return;
  }
  const { found } = worker;
  rollBack(state, index);
  worker.known = youngestOf(state);
  if (sabotage === 'closed generations are not read again') Object.assign(worker, { found, step: 'ready' });
}

function claimRow(scenario: Scenario, state: ModelState, index: number): void {
  const worker = state.workers[index] as Worker;
  const at = worker.claimed.length;
  const delivery = batchOf(scenario, state, index)[at];
  if (delivery === undefined) {
    worker.step = 'claimed';
    return;
  }
  const isFound = worker.found[at] === true;
  const isRepeat = state.duplicates.some(({ by, seq }) => by === COMMITTED && seq === delivery.seq);
  const isTaken = !isFound && (isRepeat || holderOf(state, worker, delivery) !== undefined);
  if (isTaken && worker.plain) {
    rollBack(state, index);
    worker.plain = false;
    return;
  }
  const isClaimed = !isFound && !isTaken;
  worker.claimed.push(isClaimed);
  if (isClaimed) state.tables[worker.known]?.push({ ...delivery, by: index });
}

/** Returns the row that the unique constraints of the youngest known table have for a message. */
function holderOf(state: ModelState, { known }: Worker, { id, seq }: ModelDelivery): Row | undefined {
  return state.tables[known]?.find((row) => row.id === id || row.seq === seq);
}

/** Messages that were not claimed are repeats, or were processed before. */
function recordingOf(scenario: Scenario, index: number): Action {
  const others = (state: ModelState, { claimed }: Worker): ModelDelivery[] =>
    batchOf(scenario, state, index).filter((_, at) => claimed[at] !== true);
  const record = (state: ModelState, worker: Worker): void => {
    const rows = state.tables.flat().filter(({ by }) => by === COMMITTED || by === index);
    for (const { id, seq } of others(state, worker)) {
      const isSettled = [...rows, ...state.duplicates].some((row) => row.seq === seq);
      if (isSettled) continue;
      if (rows.some((row) => row.id === id)) state.duplicates.push({ id, seq, by: index });
      else state.fault = 'a repeat has no first message';
    }
    worker.step = 'recorded';
  };
  const canRecord = (state: ModelState, worker: Worker): boolean => {
    const repeats = others(state, worker);
    const isPending = ({ by, seq }: Row): boolean =>
      by !== COMMITTED && by !== index && repeats.some((repeat) => repeat.seq === seq);
    return !state.duplicates.some(isPending);
  };
  return step(index, 'records repeats', 'claimed', record, canRecord);
}

function closerOf(scenario: Scenario): Action[] {
  const locksParent = scenario.sabotage === 'parent locked against readers';
  const closerStep = (
    name: string,
    [from, to]: [ModelState['closer'], ModelState['closer']],
    isEnabled: (state: ModelState) => boolean,
    apply: (state: ModelState) => void = () => undefined,
  ): Action => ({
    name: `the closer ${name}`,
    isEnabled: (state) => state.closer === from && isEnabled(state),
    apply: (state) => {
      apply(state);
      state.closer = to;
    },
  });
  const mayLock = (state: ModelState): boolean => !takesLock(scenario) || !isInserting(state);
  const isUnread = ({ workers }: ModelState): boolean => !workers.some(({ readsParent }) => readsParent);
  const commits = (state: ModelState): void => changeGeneration(scenario, state);
  const last = locksParent ? 'parent locked' : 'locked';
  return [
    closerStep('requests the lock', ['idle', 'requested'], ({ changesLeft }) => changesLeft > 0),
    closerStep('has the lock', ['requested', 'locked'], mayLock),
    ...(locksParent ? [closerStep('locks the parent', ['locked', last], isUnread)] : []),
    closerStep('commits', [last, 'idle'], () => true, commits),
    {
      name: 'the closer gives up',
      isEnabled: ({ closer, deathsLeft }) => closer !== 'idle' && deathsLeft > 0,
      apply: (state) => Object.assign(state, { closer: 'idle', deathsLeft: state.deathsLeft - 1 }),
    },
  ];
}

const takesLock = ({ sabotage }: Scenario): boolean =>
  sabotage !== 'no trigger' && sabotage !== 'no wait for transactions';

function changeGeneration({ sabotage }: Scenario, state: ModelState): void {
  state.closed[youngestOf(state)] = sabotage !== 'no trigger';
  state.tables.push([]);
  state.closed.push(false);
  state.built.push(null);
  state.changesLeft--;
}

/** Whether a transaction has inserted into the youngest table, or is about to. */
function isInserting(state: ModelState): boolean {
  return state.workers.some(
    ({ step, known, claimed }) =>
      known === youngestOf(state) &&
      (step === 'claiming' || ((step === 'claimed' || step === 'recorded') && claimed.length > 0)),
  );
}

/** A request that waits holds up later ones as if it were granted. */
function locksTable(scenario: Scenario, { closer }: ModelState): boolean {
  return closer !== 'idle' && takesLock(scenario);
}

function buildOf({ sabotage }: Scenario, generation: number): Action {
  const ahead = sabotage === 'filter built before the close' ? 1 : 0;
  return {
    name: `the filter of generation ${generation} is built`,
    isEnabled: (state) => state.built[generation] === null && generation < youngestOf(state) + ahead,
    apply: ({ tables, built }) => {
      const rows = tables[generation] ?? [];
      built[generation] = rows.filter(({ by }) => by === COMMITTED).map(({ id }) => id);
    },
  };
}

function loadOf(index: number, generation: number): Action {
  return {
    name: `worker ${index} loads the filter of generation ${generation}`,
    isEnabled: ({ built, workers }) => {
      const worker = workers[index] as Worker;
      const isMissing = worker.known !== UNKNOWN && !worker.filters.includes(generation);
      return isMissing && Array.isArray(built[generation]);
    },
    apply: ({ workers }) => {
      const worker = workers[index] as Worker;
      worker.filters = [...worker.filters, generation].sort((a, b) => a - b);
    },
  };
}
