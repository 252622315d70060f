/** The worker in the model of generations (generation-model.ts). */
import {
  type Action,
  COMMITTED,
  locksTable,
  type ModelDelivery,
  type ModelState,
  newProcess,
  newTransaction,
  type Row,
  type Scenario,
  type Worker,
  type WorkerStep,
  youngestOf,
} from './generation-state.js';

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
export function transactionOf(scenario: Scenario, index: number): Action[] {
  const begin = (state: ModelState, worker: Worker): void => {
    // Workers learn of a change from the trigger. Without it, they have to read the registry.
    if (scenario.sabotage === 'no trigger') worker.known = youngestOf(state);
    worker.step = 'begun';
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
    isEnabled: ({ deathsLeft }) => deathsLeft > 0,
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
          ((row.id === id && worker.suspects[at]?.includes(generation) === true) ||
            (bySequence && row.seq === seq)),
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
export function claimOf(scenario: Scenario, index: number): Action[] {
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
