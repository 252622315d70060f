/**
 * Takes a batch to its outcomes, whatever Postgres and the handler say to it.
 *
 *   process ─ok──────────────────────▶ outcomes
 *      ├─outage / contention─▶ wait ─▶ process again      (nothing is counted, nothing given up)
 *      └─anything else─▶ is a message at fault, or the store? (store-probe.ts)
 *            ├─the store──▶ a defect: wait, said aloud, until it takes messages ─▶ process again
 *            └─a message──▶ divide ▶ process each half ▶ what stands alone is at fault
 *
 * An outage is what the connection and the inbox's own statements say, and only that (handler-error.ts). What a handler
 * throws is the fault of its message. One that fails alone:
 *
 *   | fails with                              | and then                                              |
 *   |-----------------------------------------|-------------------------------------------------------|
 *   | `Poison`                                | dead letter, at once (verdict.ts)                     |
 *   | `RetryLater`                            | delivered again after that time, nothing counted      |
 *   | a time-out, its own or one of Postgres  | counted; dead letter `too_slow`                       |
 *   | anything else that the handler threw    | counted; dead letter `effect_failed`                  |
 *   | a value that the inbox cannot keep      | once more, then dead letter `refused_by_store`        |
 *   | another statement of the inbox          | wait: a defect of the store                           |
 *
 * With `probesStore` (a handler that does nothing but store) what hits every message is no message's fault either. Who is at
 * fault is decided by what fails, and by a message that is known to be good:
 *
 *   | a message fails alone with       | the probe passes              | the probe fails  | no good message is known     |
 *   |----------------------------------|-------------------------------|------------------|------------------------------|
 *   | its value (class 22, 54)         | once more, then dead letter   | wait             | once more, then dead letter  |
 *   | a constraint (class 23)          | once more, then dead letter   | wait             | put back, nothing counted    |
 *   | a time-out (57014, 25P03, 25P04) | counted; dead letter `too_slow`    | wait        | put back, nothing counted    |
 *   | anything else (42…, P0001, a bug)| counted; dead letter `effect_failed` | wait      | put back, nothing counted    |
 *
 * "Once more" rules out a defect that was there for a moment: it would have to come back behind the probe. "Counted" is
 * an attempt of `attemptsMax`, repeated with a growing delay. "Wait" pauses for 2 s at most, and holds the batch for
 * two minutes; then it is put back, so that others get their turn.
 * The good message may itself have become bad, by a new constraint: while the probe fails, one message of the batch that
 * was taken at random is tried by itself at each turn, and becomes the good one when it is stored. With no good message
 * (the process has stored nothing yet) three are tried, and the batch is put back, so that others get their turn:
 * a message is given up for what it may share with all others only after one of the others was stored.
 *
 * A handler that does not return is left after `handlerMsMax`, and its connection is closed. A batch that took too long is
 * divided under an eighth of the time that it took. What does not get through under that
 * is put back, and is processed alone and under the whole bound, one such message at a time (`isSlow`).
 *
 * That a message was delivered often says little: `RetryLater` has it delivered again, and so does a process that stops and
 * hands back what it holds. So what came often is noted before it is processed, and the note goes when the work comes to any
 * end. A note that is found says that a process ended meanwhile: its message is a suspect. It is processed alone, with nothing
 * else at work in this process, and the attempt is written down before it begins: attempts that began and never ended are its
 * doing. Its neighbours were noted as well but end their attempts. So does what is thrown: it says nothing about the message,
 * which has not ended the process.
 */
import { isAboutTheValue } from '#postgres';
import { AttemptCount } from './attempt-count.js';
import { atRandom, partsOf, readBatch, redelivered, sequencesOf } from './batch-parts.js';
import type { Batch, BatchInbox } from './batch-inbox.js';
import { Burial } from './burial.js';
import type { Decider } from './decider.js';
import type { Decoder, Delivery, Message } from './delivery.js';
import { describe, failureOf, HandlerError, rootOf } from './handler-error.js';
import { type Failure, later, type Observer, type Outcome, putBack } from './outcome.js';
import type { OutageGate } from './outage-gate.js';
import { ForeignSequenceError } from './postgres/foreign-sequence.js';
import type { ProcessorSettings } from './processor-settings.js';
import { retryDelayMs } from './retry-delay.js';
import { SlowMessages } from './slow-messages.js';
import { type StoreState, StoreProbe } from './store-probe.js';
import { Suspicion } from './suspicion.js';
import { Poison, RetryLater } from './verdict.js';

/** Turns, of 2 s mostly, after which what waits for the store is put back: others may be those that it takes. */
const TURNS_HELD_MAX = 60;
/** Messages that are tried by themselves before a batch is put back. */
const SAMPLES_WITHOUT_GOOD = 3;
const SHARE_OF_SLOW = 8;
const PART_MS_MIN = 100;
const ABANDONED_REMEDY = 'raise handlerMsMax, or bound what the handler waits for';
const SLOW_REMEDY = 'raise the bound on a transaction, or make the effect faster';

const IGNORED: Outcome = { kind: 'ignored' };

type Outcomes = Map<number, Outcome>;

/** Takes batches to outcomes. Between batches it remembers a good message and the slow ones, no more. */
export class BatchProcessor<E> implements Decider {
  private readonly probe: StoreProbe<E>;
  private readonly slow = new SlowMessages();
  private readonly attempts: AttemptCount;
  private readonly suspicion: Suspicion;
  private readonly burial: Burial;

  constructor(
    private readonly inbox: BatchInbox<E>,
    private readonly decode: Decoder<E>,
    private readonly gate: OutageGate,
    private readonly settings: ProcessorSettings,
    private readonly observe: Observer,
  ) {
    this.attempts = new AttemptCount(inbox, gate);
    this.suspicion = new Suspicion(inbox, this.attempts, gate);
    this.burial = new Burial(
      (streamId, poison) => this.attempt(streamId, { messages: [], poison }),
      gate,
      observe,
    );
    this.probe = new StoreProbe(inbox, gate, settings.probesStore === true);
  }

  /** Whether a message took too long before: it is best processed alone, beside the batches of others. */
  isSlow(streamId: number, seq: number): boolean {
    return this.slow.has(streamId, seq);
  }

  /** Of deliveries that came often, finds those over which a process may have ended, and notes the others: see suspicion.ts. */
  suspectsAmong(streamId: number, deliveries: readonly Delivery[]): Promise<ReadonlySet<number>> {
    return this.suspicion.among(streamId, deliveries);
  }

  /**
   * Processes deliveries together.
   *
   * @returns the outcome of each sequence; those that are `postponed` belong into a later call
   * @throws `StoppedError` when stopped during an outage, `ForeignSequenceError` when the stream has another history;
   *   then nothing may be acknowledged
   */
  async process(streamId: number, deliveries: readonly Delivery[]): Promise<Outcomes> {
    const beganMs = performance.now();
    const { ignored, ...batch } = readBatch(this.decode, deliveries);
    let outcomes: Outcomes | undefined;
    try {
      outcomes = await this.settleApart(streamId, batch);
    } finally {
      await this.suspicion.ended(streamId, deliveries, outcomes);
    }
    for (const seq of ignored) outcomes.set(seq, IGNORED);
    const seqs: number[] = [];
    for (const [seq, { kind }] of outcomes) if (kind !== 'postponed') seqs.push(seq);
    this.observe({ type: 'committed', seqs, outcomes, ms: performance.now() - beganMs });
    return outcomes;
  }

  /**
   * Processes one suspect, alone. The caller sees to it that nothing else is at work.
   *
   * It never waits for the store while its attempt is open: a process that was ended meanwhile would be its fault.
   */
  async processSuspect(streamId: number, delivery: Delivery): Promise<Outcomes> {
    const beganMs = performance.now();
    const { seq } = delivery;
    const { ignored, ...read } = readBatch(this.decode, [delivery]);
    if (ignored.length > 0) return new Map([[seq, IGNORED]]);
    const begun = await this.attempts.start(streamId, seq);
    if (begun === undefined) return putBack([seq]);
    const batch = { ...read, suspects: [seq] };
    const endedTheProcess = begun.started - 1 - begun.finished;
    const [message] = batch.messages;
    let outcomes: Outcomes | undefined;
    try {
      outcomes =
        message && endedTheProcess >= this.settings.attemptsMax
          ? await this.giveUp(
              streamId,
              message,
              'process_ended',
              `${endedTheProcess} attempts began and never ended`,
            )
          : await this.settleSuspect(streamId, batch);
    } finally {
      // Ended by an error, or by a stop: that is no end of the message's own. Best effort, the store may be out of reach.
      if (outcomes === undefined) await this.inbox.withdrawAttempt(streamId, seq).catch(() => undefined);
    }
    this.observe({ type: 'committed', seqs: [seq], outcomes, ms: performance.now() - beganMs });
    return outcomes;
  }

  /** Has the inbox decide once. @throws what no message can be the cause of */
  private async attempt(streamId: number, messages: Batch<E>, msMax?: number): Promise<Outcomes | Failure> {
    const batch = messages.suspects ? messages : { ...messages, suspects: redelivered(messages) };
    let beganMs = performance.now();
    const work = (): Promise<Outcomes> => {
      beganMs = performance.now();
      return this.inbox.process(streamId, batch, msMax);
    };
    try {
      const outcomes = await this.gate.pass(work, this.probe.waitsOut());
      this.probe.learn(batch.messages, outcomes);
      this.burial.tell(batch.poison, outcomes);
      return outcomes;
    } catch (error) {
      if (this.gate.isStopped(error) || error instanceof ForeignSequenceError) throw error;
      return { error, afterMs: performance.now() - beganMs };
    }
  }

  /** What cannot be read by itself: its transaction excludes others (inbox-statements.ts), so it is a short one. */
  private async settleApart(streamId: number, { messages, poison }: Batch<E>): Promise<Outcomes> {
    const outcomes: Outcomes = new Map();
    for (const part of [
      { messages, poison: [] },
      { messages: [], poison },
    ]) {
      if (part.messages.length + part.poison.length === 0) continue;
      for (const [seq, outcome] of await this.settleTogether(streamId, part)) outcomes.set(seq, outcome);
    }
    return outcomes;
  }

  private async settleTogether(streamId: number, batch: Batch<E>): Promise<Outcomes> {
    for (let failures = 0; ; failures++) {
      const tried = await this.attempt(streamId, batch);
      if (tried instanceof Map) return tried;
      const [message, ...more] = batch.messages;
      if (!message) return this.burial.settle(streamId, batch.poison, tried.error);
      const said = await this.settleVerdict(streamId, batch, tried.error);
      if (said) return said;
      const state = await this.probe.check(streamId, tried.error);
      if (more.length === 0 && batch.poison.length === 0)
        return this.settleAlone(streamId, message, tried.error, state);
      if (state === 'works') return this.divide(streamId, batch, tried);
      const sampled = await this.sample(streamId, batch.messages, state);
      if (sampled !== undefined) return this.settleRest(streamId, batch, sampled, tried);
      await this.gate.waitForStore(tried.error, failures);
      if (state === 'unknown' || failures >= TURNS_HELD_MAX) return putBack(sequencesOf(batch));
    }
  }

  /** A part of a batch whose store was seen to work. @param msMax a bound for each transaction, shorter than the usual */
  private async settlePart(streamId: number, part: Batch<E>, msMax: number | undefined): Promise<Outcomes> {
    const tried = await this.attempt(streamId, part, msMax);
    if (tried instanceof Map) return tried;
    const [message, ...more] = part.messages;
    if (!message) return this.burial.settle(streamId, part.poison, tried.error);
    const said = await this.settleVerdict(streamId, part, tried.error, msMax);
    if (said) return said;
    if (more.length > 0) return this.settleParts(streamId, part, tried.error, msMax);
    if (msMax === undefined || failureOf(tried.error) !== 'timeout')
      return this.settleAlone(streamId, message, tried.error, await this.probe.check(streamId, tried.error));
    // It had less than its time. It gets all of it when it comes again.
    this.slow.add(streamId, message.delivery.seq);
    return putBack([message.delivery.seq]);
  }

  private async divide(streamId: number, batch: Batch<E>, { error, afterMs }: Failure): Promise<Outcomes> {
    this.observe({ type: 'divided', size: batch.messages.length, error: rootOf(error) });
    const isTimeout = failureOf(error) === 'timeout';
    const msMax = isTimeout ? Math.max(PART_MS_MIN, Math.round(afterMs / SHARE_OF_SLOW)) : undefined;
    return this.settleParts(streamId, batch, error, msMax);
  }

  private async settleParts(
    streamId: number,
    batch: Batch<E>,
    error: unknown,
    msMax: number | undefined,
  ): Promise<Outcomes> {
    const culprit = error instanceof HandlerError ? error.circumstances.seq : undefined;
    const outcomes: Outcomes = new Map();
    for (const part of partsOf(batch, culprit))
      for (const [seq, outcome] of await this.settlePart(streamId, part, msMax)) outcomes.set(seq, outcome);
    return outcomes;
  }

  /**
   * Does what the handler said outright.
   *
   * @returns `undefined` where it said nothing of the kind
   */
  private async settleVerdict(
    streamId: number,
    batch: Batch<E>,
    error: unknown,
    msMax?: number,
  ): Promise<Outcomes | undefined> {
    const verdict = rootOf(error);
    const [message, ...more] = batch.messages;
    const isVerdict = verdict instanceof Poison || verdict instanceof RetryLater;
    if (!isVerdict || message === undefined || !(error instanceof HandlerError)) return undefined;
    const isOfAll = verdict instanceof RetryLater && error.circumstances.seq === undefined;
    if (batch.poison.length > 0 || (more.length > 0 && !isOfAll))
      return this.settleParts(streamId, batch, error, msMax);
    if (verdict instanceof Poison) return this.giveUp(streamId, message, verdict.reason, verdict.message);
    return later(sequencesOf(batch), verdict.delayMs);
  }

  /**
   * Tries messages taken at random, each by itself, until one is stored.
   *
   * @returns its outcome; nothing settled where the batch is to be divided all the same; `undefined` when all failed
   */
  private async sample(
    streamId: number,
    messages: readonly Message<E>[],
    state: StoreState,
  ): Promise<Outcomes | undefined> {
    const count = state === 'unknown' ? SAMPLES_WITHOUT_GOOD : 1;
    for (const message of atRandom(messages, count)) {
      const tried = await this.attempt(streamId, { messages: [message], poison: [] });
      if (tried instanceof Map) return tried;
      if (state === 'unknown' && isAboutTheValue(rootOf(tried.error))) return new Map();
    }
    return undefined;
  }

  private async settleRest(
    streamId: number,
    batch: Batch<E>,
    settled: Outcomes,
    failure: Failure,
  ): Promise<Outcomes> {
    const messages = batch.messages.filter(({ delivery }) => !settled.has(delivery.seq));
    const outcomes = await this.divide(streamId, { ...batch, messages }, failure);
    for (const [seq, outcome] of settled) outcomes.set(seq, outcome);
    return outcomes;
  }

  /** A message that failed alone, and what the probe said after that. */
  private async settleAlone(
    streamId: number,
    message: Message<E>,
    failure: unknown,
    stateThen: StoreState,
  ): Promise<Outcomes> {
    let [error, state] = [failure, stateThen];
    for (let failures = 0; ; failures++) {
      const isRefused = this.probe.isRefusal(error);
      const isItsOwn = state === 'works' || (state === 'unknown' && isAboutTheValue(rootOf(error)));
      if (isItsOwn && !isRefused) return this.failAlone(streamId, message, error);
      if (!isItsOwn) await this.gate.waitForStore(error, failures);
      if ((state === 'unknown' && !isItsOwn) || failures >= TURNS_HELD_MAX)
        return putBack([message.delivery.seq]);
      const tried = await this.attempt(streamId, { messages: [message], poison: [] });
      if (tried instanceof Map) return tried;
      error = tried.error;
      const said = await this.settleVerdict(streamId, { messages: [message], poison: [] }, error);
      if (said) return said;
      if (isItsOwn && this.probe.isRefusal(error))
        return this.giveUp(streamId, message, 'refused_by_store', describe(error));
      state = await this.probe.check(streamId, error);
    }
  }

  /** As alone, but what waits is put back and its attempt withdrawn. */
  private async settleSuspect(streamId: number, batch: Batch<E>): Promise<Outcomes> {
    const tried = await this.attempt(streamId, batch);
    if (tried instanceof Map) return tried;
    const [message] = batch.messages;
    const said = await this.settleVerdict(streamId, batch, tried.error);
    if (said) {
      // It did not fail, and it has not ended the process.
      await this.attempts.withdraw(streamId, message?.delivery.seq ?? 0);
      return said;
    }
    const state = message === undefined ? 'broken' : await this.probe.check(streamId, tried.error);
    if (
      message !== undefined &&
      (state === 'works' || (state === 'unknown' && isAboutTheValue(rootOf(tried.error))))
    )
      return this.settleAlone(streamId, message, tried.error, state);
    const seqs = sequencesOf(batch);
    for (const seq of seqs) await this.attempts.withdraw(streamId, seq);
    await this.gate.waitForStore(tried.error, 0);
    return putBack(seqs);
  }

  /** An attempt of a message that fails by its own fault. */
  private async failAlone(streamId: number, message: Message<E>, error: unknown): Promise<Outcomes> {
    const { seq } = message.delivery;
    const isSlow = failureOf(error) === 'timeout';
    if (isSlow) this.slow.add(streamId, seq);
    const text = describe(error);
    const attempts = await this.attempts.fail(streamId, seq, text);
    if (attempts === undefined) return putBack([seq]);
    this.observe({ type: 'failed', seq, attempts, error: rootOf(error) });
    if (attempts < this.settings.attemptsMax) {
      const delayMs = retryDelayMs(attempts, this.settings.retryDelayMs);
      return new Map([[seq, { kind: 'retry', delayMs }]]);
    }
    if (!isSlow) return this.giveUp(streamId, message, 'effect_failed', text);
    const isAbandoned = error instanceof HandlerError && error.circumstances.isAbandoned === true;
    const remedy = this.settings.slowRemedy ?? (isAbandoned ? ABANDONED_REMEDY : SLOW_REMEDY);
    const detail = `${text}; it took too long in ${attempts} attempts, alone: ${remedy}`;
    return this.giveUp(streamId, message, 'too_slow', detail);
  }

  private async giveUp(
    streamId: number,
    message: Message<E>,
    reason: string,
    detail: string,
  ): Promise<Outcomes> {
    const { delivery, topic, eventId } = message;
    const poison = [{ delivery, topic, eventId, reason, detail }];
    const tried = await this.attempt(streamId, { messages: [], poison, suspects: [delivery.seq] });
    if (!(tried instanceof Map)) return this.burial.settle(streamId, poison, tried.error);
    this.slow.delete(streamId, delivery.seq);
    return tried;
  }
}
