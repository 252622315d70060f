/** How large a run is: large enough to mean something, or just large enough to see that it works. */

/** The sizes of one run. */
export interface Sizes {
  /** Rounds that do not count, so that code is compiled and caches are filled. */
  readonly warmUps: number;
  /** Rounds of each subject after the warm-ups. */
  readonly rounds: number;
  /** Messages of the backlog that is drained. */
  readonly backlog: number;
  /** Messages of the backlog for a subject that takes one at a time. */
  readonly backlogOneByOne: number;
  /** Messages of the backlog that is drained with each durability. */
  readonly durabilityBacklog: number;
  /** How long one round of HTTP load lasts, in milliseconds. */
  readonly httpRoundMs: number;
  /** Connections of a load with many events per request. */
  readonly batchConnections: number;
  /** How long one round of end-to-end load lasts, in milliseconds. */
  readonly endToEndRoundMs: number;
  /** Keys that are stored before the queries are measured. */
  readonly storedKeys: number;
  /** Keys that are stored before draining next to them is measured. */
  readonly drainedKeys: number;
  /** Queries of one kind in one round. */
  readonly queriesPerRound: number;
  /** Clients that follow events while a backlog is drained. */
  readonly listeners: number;
  /** Pages that are open meanwhile. */
  readonly openPages: number;
  /** Messages that pass while memory is watched. */
  readonly memoryMessages: number;
  /** Events of an outbox in one round. */
  readonly outboxEvents: number;
  /** Events of the backlog of an outbox. */
  readonly outboxBacklog: number;
}

/** The sizes of a real run. */
export const FULL: Sizes = {
  warmUps: 1,
  rounds: 5,
  backlog: 200_000,
  backlogOneByOne: 20_000,
  durabilityBacklog: 100_000,
  httpRoundMs: 4_000,
  batchConnections: 8,
  endToEndRoundMs: 6_000,
  storedKeys: 10_000_000,
  drainedKeys: 10_000_000,
  queriesPerRound: 100,
  listeners: 1_000,
  openPages: 20,
  memoryMessages: 1_000_000,
  outboxEvents: 60_000,
  outboxBacklog: 10_000_000,
};

/** The sizes for tests: every part runs, and the figures mean nothing. */
export const SMALL: Sizes = {
  warmUps: 0,
  rounds: 1,
  backlog: 3_000,
  backlogOneByOne: 400,
  durabilityBacklog: 1_000,
  httpRoundMs: 400,
  batchConnections: 1,
  endToEndRoundMs: 700,
  storedKeys: 5_000,
  drainedKeys: 5_000,
  queriesPerRound: 5,
  listeners: 20,
  openPages: 2,
  memoryMessages: 5_000,
  outboxEvents: 2_000,
  outboxBacklog: 20_000,
};
