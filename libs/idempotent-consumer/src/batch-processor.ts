import { isAboutTheValue } from '#postgres';
import { AttemptCount, processEndedDetail } from './attempt-count.js';
import {
  atRandom,
  IGNORED,
  partMsMaxAfter,
  partsOf,
  readBatch,
  redelivered,
  sequencesOf,
} from './batch-parts.js';
import type { Batch, BatchInbox } from './batch-inbox.js';
import { DeadLetterOutcomes, reportDeadLetters } from './dead-letter-outcomes.js';
import type { Decider } from './decider.js';
import type { Decoder, Delivery, Message } from './delivery.js';
import { culpritOf, describe, failureOf, HandlerError, rootOf } from './handler-error.js';
import { type Failure, later, type Observer, type Outcome, putBack } from './outcome.js';
import type { OutageGate } from './outage-gate.js';
import { ForeignSequenceError } from './postgres/foreign-sequence.js';
import type { ProcessorSettings } from './processor-settings.js';
import { retryDelayMs } from './retry-delay.js';
import { SlowMessages } from './slow-messages.js';
import { type StoreState, StoreProbe } from './store-probe.js';
import { Suspicion } from './suspicion.js';
import { Poison, RetryLater } from './verdict.js';

/** Turns, mostly of 2 s, after which a batch is put back. The store may accept other messages. */
const TURNS_HELD_MAX = 60;
/** Messages that are tried alone before a batch is put back, while no good message is known. */
const SAMPLES_WITHOUT_GOOD = 3;
const ABANDONED_REMEDY = 'raise handlerMsMax, or bound the waits of the handler';
const SLOW_REMEDY = 'raise the bound on a transaction, or make the effect faster';

type Outcomes = Map<number, Outcome>;

/**
 * Takes a batch to its outcomes, whatever Postgres and the handler answer.
 *
 *   process ─ok──────────────────────▶ outcomes
 *      ├─outage / contention─▶ wait ─▶ process again      (nothing is counted, nothing given up)
 *      └─any other error─▶ is a message at fault, or the store? (store-probe.ts)
 *            ├─the store──▶ a defect: wait and report until the store accepts messages ─▶ process again
 *            └─a message──▶ divide ─▶ process each half ─▶ a message that fails alone is at fault
 *
 * Only the connection and the inbox's own statements can report an outage (handler-error.ts). A handler's
 * error is the fault of its message. For a message that fails alone:
 *
 *   | fails with                              | and then                                              |
 *   |-----------------------------------------|-------------------------------------------------------|
 *   | `Poison`                                | dead letter, at once (verdict.ts)                     |
 *   | `RetryLater`                            | delivered again after that time, nothing counted      |
 *   | a timeout, its own or one of Postgres   | counted; dead letter `too_slow`                       |
 *   | any other error of the handler          | counted; dead letter `effect_failed`                  |
 *   | a value that the inbox cannot store     | once more, then dead letter `refused_by_store`        |
 *   | another statement of the inbox          | wait: a defect of the store                           |
 *
 * With `probesStore` (a handler that only stores), an error that hits every message is not the fault of one
 * either. The error and a message that is known to be good then decide:
 *
 *   | a message fails alone with       | the probe passes                    | the probe fails | no good message is known    |
 *   |----------------------------------|-------------------------------------|-----------------|-----------------------------|
 *   | its value (class 22, 54)         | once more, then dead letter         | wait            | once more, then dead letter |
 *   | a constraint (class 23)          | once more, then dead letter         | wait            | put back, nothing counted   |
 *   | a timeout (57014, 25P03, 25P04)  | counted; dead letter `too_slow`     | wait            | put back, nothing counted   |
 *   | any other error (42…, P0001)     | counted; dead letter `effect_failed`| wait            | put back, nothing counted   |
 *
 * "Once more" rules out a momentary defect, which would have to return after the probe. "Counted" is an
 * attempt of `attemptsMax`, repeated with a growing delay. "Wait" pauses for 2 s at most, and holds the batch
 * for two minutes. Then it is put back, so that other messages get their turn.
 *
 * A new constraint may turn the good message itself into a bad one. So while the probe fails, each turn tries
 * one random message of the batch alone. It becomes the good message when it is stored. While no good message
 * is known (the process has stored nothing yet), three messages are tried, and then the batch is put back. So
 * a message is given up for a shared error only after another message was stored.
 *
 * A handler that does not return is abandoned after `handlerMsMax`, and its connection is closed. A batch
 * that took too long is divided, and its parts get an eighth of the time that it took. A message that exceeds
 * this limit is put back. It is then processed alone and under the full limit, one such message at a time
 * (`isSlow`).
 *
 * Many deliveries alone say little: `RetryLater` causes redeliveries, and so does a process that stops and
 * hands back its deliveries. So a message that was delivered often is noted before it is processed, and the
 * note is removed when the work ends in any way. A remaining note means that a process ended meanwhile: its
 * message is a suspect.
 *
 * A suspect is processed alone, while this process does nothing else, and the attempt is recorded before it
 * begins. Attempts that began and never ended are its doing. Its former neighbours were noted as well, but
 * their attempts end. An error also ends an attempt, because the message has not ended the process.
 *
 * Between batches the processor remembers a good message and the slow ones, and nothing else.
 */
export class BatchProcessor<E> implements Decider {
  private readonly probe: StoreProbe<E>;
  private readonly slow = new SlowMessages();
  private readonly attempts: AttemptCount;
  private readonly suspicion: Suspicion;
  private readonly deadLetters: DeadLetterOutcomes;

  constructor(
    private readonly inbox: BatchInbox<E>,
    private readonly decode: Decoder<E>,
    private readonly gate: OutageGate,
    private readonly settings: ProcessorSettings,
    private readonly observe: Observer,
  ) {
    this.attempts = new AttemptCount(inbox, gate);
    this.suspicion = new Suspicion(inbox, this.attempts, gate);
    this.deadLetters = new DeadLetterOutcomes(
      (streamId, poison) => this.attempt(streamId, { messages: [], poison }),
      gate,
    );
    this.probe = new StoreProbe(inbox, gate, settings.probesStore === true);
  }

  /**
   * Whether a message took too long before. It is best processed alone, in parallel with the batches of
   * others.
   */
  isSlow(streamId: number, seq: number): boolean {
    return this.slow.has(streamId, seq);
  }

  /** Finds messages over which a process may have ended, and notes the others: see `Suspicion`. */
  suspectsAmong(streamId: number, deliveries: readonly Delivery[]): Promise<ReadonlySet<number>> {
    return this.suspicion.among(streamId, deliveries);
  }

  /**
   * Processes deliveries together.
   *
   * @returns the outcome of each sequence; `postponed` ones belong into a later call
   * @throws `StoppedError` when stopped during an outage, and `ForeignSequenceError` when the stream has
   *   another history; then nothing may be acknowledged
   */
  async process(streamId: number, deliveries: readonly Delivery[]): Promise<Outcomes> {
    const beganMs = performance.now();
    const { ignored, ...batch } = readBatch(this.decode, deliveries);
    let outcomes: Outcomes | undefined;
    try {
      outcomes = await this.decideApart(streamId, batch);
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
   * Processes one suspect, alone. The caller runs nothing else meanwhile.
   *
   * It never waits for the store while the attempt is open. Otherwise a process that is killed during the
   * wait would count against the message.
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
          ? await this.giveUp(streamId, message, 'process_ended', processEndedDetail(endedTheProcess))
          : await this.decideSuspect(streamId, batch);
    } finally {
      // An error or a stop ended the work, and not the message. This is best effort, since the store may be
      // out of reach.
      if (outcomes === undefined) await this.inbox.withdrawAttempt(streamId, seq).catch(() => undefined);
    }
    this.observe({ type: 'committed', seqs: [seq], outcomes, ms: performance.now() - beganMs });
    return outcomes;
  }

  /** Has the inbox decide once. @throws what no message can cause */
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
      reportDeadLetters(this.observe, batch.poison, outcomes);
      return outcomes;
    } catch (error) {
      if (this.gate.isStopped(error) || error instanceof ForeignSequenceError) throw error;
      return { error, afterMs: performance.now() - beganMs };
    }
  }

  /**
   * Decides on unreadable messages separately. Their transaction excludes others (inbox-statements.ts), so it
   * must be short.
   */
  private async decideApart(streamId: number, { messages, poison }: Batch<E>): Promise<Outcomes> {
    const outcomes =
      messages.length === 0
        ? new Map<number, Outcome>()
        : await this.decideTogether(streamId, { messages, poison: [] });
    if (poison.length === 0) return outcomes;
    for (const [seq, outcome] of await this.decideTogether(streamId, { messages: [], poison }))
      outcomes.set(seq, outcome);
    return outcomes;
  }

  private async decideTogether(streamId: number, batch: Batch<E>): Promise<Outcomes> {
    for (let failures = 0; ; failures++) {
      const tried = await this.attempt(streamId, batch);
      if (tried instanceof Map) return tried;
      const [message, ...more] = batch.messages;
      if (!message) return this.deadLetters.afterFailure(streamId, batch.poison, tried.error);
      const outcomes = await this.applyVerdict(streamId, batch, tried.error);
      if (outcomes) return outcomes;
      const state = await this.probe.check(streamId, tried.error);
      if (more.length === 0 && batch.poison.length === 0)
        return this.decideAlone(streamId, message, tried.error, state);
      if (state === 'works') return this.divide(streamId, batch, tried);
      const sampled = await this.sample(streamId, batch.messages, state);
      if (sampled !== undefined) return this.decideRest(streamId, batch, sampled, tried);
      await this.gate.waitForStore(tried.error, failures);
      if (state === 'unknown' || failures >= TURNS_HELD_MAX) return putBack(sequencesOf(batch));
    }
  }

  /**
   * Decides on a part of a batch after the store was seen to work.
   *
   * @param msMax a time limit for each transaction, shorter than the usual one
   */
  private async decidePart(streamId: number, part: Batch<E>, msMax: number | undefined): Promise<Outcomes> {
    const tried = await this.attempt(streamId, part, msMax);
    if (tried instanceof Map) return tried;
    const [message, ...more] = part.messages;
    if (!message) return this.deadLetters.afterFailure(streamId, part.poison, tried.error);
    const outcomes = await this.applyVerdict(streamId, part, tried.error, msMax);
    if (outcomes) return outcomes;
    if (more.length > 0) return this.decideParts(streamId, part, tried.error, msMax);
    if (msMax === undefined || failureOf(tried.error) !== 'timeout')
      return this.decideAlone(streamId, message, tried.error, await this.probe.check(streamId, tried.error));
    // It had less than its full time, which it gets at the redelivery.
    this.slow.add(streamId, message.delivery.seq);
    return putBack([message.delivery.seq]);
  }

  private async divide(streamId: number, batch: Batch<E>, failure: Failure): Promise<Outcomes> {
    this.observe({ type: 'divided', size: batch.messages.length, error: rootOf(failure.error) });
    return this.decideParts(streamId, batch, failure.error, partMsMaxAfter(failure));
  }

  private async decideParts(
    streamId: number,
    batch: Batch<E>,
    error: unknown,
    msMax: number | undefined,
  ): Promise<Outcomes> {
    const outcomes: Outcomes = new Map();
    for (const part of partsOf(batch, culpritOf(error)))
      for (const [seq, outcome] of await this.decidePart(streamId, part, msMax)) outcomes.set(seq, outcome);
    return outcomes;
  }

  /**
   * Does what a `Poison` or `RetryLater` of the handler says.
   *
   * @returns `undefined` when the error is neither
   */
  private async applyVerdict(
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
      return this.decideParts(streamId, batch, error, msMax);
    if (verdict instanceof Poison) return this.giveUp(streamId, message, verdict.reason, verdict.message);
    return later(sequencesOf(batch), verdict.delayMs);
  }

  /**
   * Tries random messages, each alone, until one is stored.
   *
   * @returns its outcome; an empty map when the batch must be divided all the same; `undefined` when all
   *   failed
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

  private async decideRest(
    streamId: number,
    batch: Batch<E>,
    decided: Outcomes,
    failure: Failure,
  ): Promise<Outcomes> {
    const messages = batch.messages.filter(({ delivery }) => !decided.has(delivery.seq));
    const outcomes = await this.divide(streamId, { ...batch, messages }, failure);
    for (const [seq, outcome] of decided) outcomes.set(seq, outcome);
    return outcomes;
  }

  /**
   * Decides on a message that failed alone.
   *
   * @param stateThen what the probe said after the failure
   */
  private async decideAlone(
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
      const outcomes = await this.applyVerdict(streamId, { messages: [message], poison: [] }, error);
      if (outcomes) return outcomes;
      if (isItsOwn && this.probe.isRefusal(error))
        return this.giveUp(streamId, message, 'refused_by_store', describe(error));
      state = await this.probe.check(streamId, error);
    }
  }

  /** Decides on a suspect. Instead of waiting, it is put back, and its attempt is withdrawn. */
  private async decideSuspect(streamId: number, batch: Batch<E>): Promise<Outcomes> {
    const tried = await this.attempt(streamId, batch);
    if (tried instanceof Map) return tried;
    const [message] = batch.messages;
    const outcomes = await this.applyVerdict(streamId, batch, tried.error);
    if (outcomes) {
      // The message neither failed nor ended the process.
      await this.attempts.withdraw(streamId, message?.delivery.seq ?? 0);
      return outcomes;
    }
    const state = message === undefined ? 'broken' : await this.probe.check(streamId, tried.error);
    if (
      message !== undefined &&
      (state === 'works' || (state === 'unknown' && isAboutTheValue(rootOf(tried.error))))
    )
      return this.decideAlone(streamId, message, tried.error, state);
    const seqs = sequencesOf(batch);
    for (const seq of seqs) await this.attempts.withdraw(streamId, seq);
    await this.gate.waitForStore(tried.error, 0);
    return putBack(seqs);
  }

  /** Counts a failed attempt of a message that is at fault itself. */
  private async failAlone(streamId: number, message: Message<E>, error: unknown): Promise<Outcomes> {
    const { topic, eventId } = message;
    const { seq } = message.delivery;
    const isSlow = failureOf(error) === 'timeout';
    if (isSlow) this.slow.add(streamId, seq);
    const text = describe(error);
    const attempts = await this.attempts.fail(streamId, seq, text);
    if (attempts === undefined) return putBack([seq]);
    this.observe({ type: 'failed', seq, topic, eventId, attempts, error: rootOf(error) });
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
    if (!(tried instanceof Map)) return this.deadLetters.afterFailure(streamId, poison, tried.error);
    this.slow.delete(streamId, delivery.seq);
    return tried;
  }
}
