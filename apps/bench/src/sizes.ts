/** How much a run does: enough to mean something, or just enough to see that it works. */

/** The sizes of one run. */
export interface Sizes {
  /** Rounds of each subject, after a warm-up. */
  readonly rounds: number;
  /** Messages of the backlog that is drained. */
  readonly backlog: number;
  /** Messages of it for a subject that takes one at a time. */
  readonly backlogOneByOne: number;
  /** How long one round of HTTP load lasts, in milliseconds. */
  readonly httpRoundMs: number;
  /** How long one round of end-to-end load lasts, in milliseconds. */
  readonly endToEndRoundMs: number;
  /** Keys that are stored before the queries are measured. */
  readonly storedKeys: number;
  /** Questions of one kind asked in one round. */
  readonly queriesPerRound: number;
  /** Messages that pass while memory is watched. */
  readonly memoryMessages: number;
}

/** The real thing. */
export const FULL: Sizes = {
  rounds: 5,
  backlog: 200_000,
  backlogOneByOne: 20_000,
  httpRoundMs: 5_000,
  endToEndRoundMs: 8_000,
  storedKeys: 10_000_000,
  queriesPerRound: 100,
  memoryMessages: 1_000_000,
};

/** For the tests: it runs through, and its figures mean nothing. */
export const SMALL: Sizes = {
  rounds: 1,
  backlog: 3_000,
  backlogOneByOne: 600,
  httpRoundMs: 400,
  endToEndRoundMs: 1_000,
  storedKeys: 5_000,
  queriesPerRound: 5,
  memoryMessages: 5_000,
};
