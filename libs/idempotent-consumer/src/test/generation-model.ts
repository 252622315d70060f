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

import {
  type Action,
  COMMITTED,
  firstState,
  type ModelState,
  type Scenario,
  takesLock,
  type Worker,
  youngestOf,
} from './generation-state.js';
import { claimOf, transactionOf } from './generation-worker.js';
import { type Exploration, explore } from './state-space.js';

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
      return Array.isArray(built[generation]) && !worker.filters.includes(generation);
    },
    apply: ({ workers }) => {
      const worker = workers[index] as Worker;
      worker.filters = [...worker.filters, generation].sort((a, b) => a - b);
    },
  };
}
