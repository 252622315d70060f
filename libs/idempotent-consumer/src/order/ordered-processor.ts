import { AttemptCount, processEndedDetail } from '../attempt-count.js';
import type { Batch, BatchInbox } from '../batch-inbox.js';
import { IGNORED, partMsMaxAfter, readBatch } from '../batch-parts.js';
import { reportDeadLetters } from '../dead-letter-outcomes.js';
import type { Decider } from '../decider.js';
import type { Decoder, Delivery, Message, PoisonMessage } from '../delivery.js';
import { culpritOf, describe, failureOf, HandlerError, rootOf } from '../handler-error.js';
import type { Failure, Observer, Outcome } from '../outcome.js';
import type { OutageGate } from '../outage-gate.js';
import { ForeignSequenceError } from '../postgres/foreign-sequence.js';
import type { ProcessorSettings } from '../processor-settings.js';
import { retryDelayMs } from '../retry-delay.js';
import { StoreProbe } from '../store-probe.js';
import { Poison, RetryLater } from '../verdict.js';
import type { ProcessEnds } from './process-ends.js';
import type { DeliveryOrder } from './delivery-order.js';
import { OrderLostError } from './order-lost-error.js';
import type { Room } from './room.js';

const SLOW_REMEDY = 'raise handlerMsMax or the bound on a transaction, or make the effect faster';

type Outcomes = Map<number, Outcome>;

/** What an ordered processor works with. */
export interface OrderedProcessorParts<E> {
  readonly inbox: BatchInbox<E>;
  readonly decode: Decoder<E>;
  readonly gate: OutageGate;
  readonly observe: Observer;
  /** The order in which deliveries have to come. */
  readonly deliveries: DeliveryOrder;
  /** Waits while too many events are parked. */
  readonly room: Room;
  readonly processEnds: ProcessEnds;
}

/**
 * Takes batches to their outcomes as `BatchProcessor` does, and keeps the order of keys.
 *
 *   batch ─ok─▶ outcomes
 *     └─an error─▶ one part ─▶ the next part ─▶ … ─▶ a message that fails alone
 *                                                      ├─ may succeed later ─▶ parked: its key waits, others go on
 *                                                      └─ given up ─▶ dead letter: its key goes on, or waits (`hold`)
 *
 * Batches are decided one after the other, and so are the parts of one. What an earlier part leaves undecided blocks
 * its key in the database, so a later part parks what follows (event-order.ts). No delivery is ever sent back to the
 * brokers alone: it would come out of order. What cannot be decided at all ends the session, and the next one begins
 * behind the last decided message.
 *
 * Deliveries have to come without a gap in their numbers. A gap means that another session got one of them.
 */
export class OrderedProcessor<E> implements Decider {
  private readonly probe: StoreProbe<E>;
  private readonly attempts: AttemptCount;
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly parts: OrderedProcessorParts<E>,
    private readonly settings: ProcessorSettings,
  ) {
    const { inbox, gate } = parts;
    // An error of the handler is the fault of its event: the order does not let others be tried first.
    this.probe = new StoreProbe(inbox, gate, false);
    this.attempts = new AttemptCount(inbox, gate);
  }

  /** No message is processed apart from the others. */
  isSlow(): boolean {
    return false;
  }

  /** After the end of a process, `ProcessEnds` takes the place of suspects. */
  suspectsAmong(): Promise<ReadonlySet<number>> {
    return Promise.resolve(new Set());
  }

  /**
   * Processes the next deliveries of the session.
   *
   * @returns the outcome of each sequence
   * @throws `OrderLostError` when they are not the next ones, or another process has the lease; `StoppedError` when
   *   stopped during an outage, and `ForeignSequenceError`. The session must end in each case.
   */
  async process(streamId: number, deliveries: readonly Delivery[]): Promise<Outcomes> {
    const { room, deliveries: order } = this.parts;
    await room.wait(() => order.hasEnded);
    return this.alone(async () => {
      order.take(deliveries);
      try {
        const { ignored, ...batch } = readBatch(this.parts.decode, deliveries);
        const outcomes = await this.decided(streamId, { ...batch, suspects: this.mayHaveFailed(deliveries) });
        for (const seq of ignored) outcomes.set(seq, IGNORED);
        return outcomes;
      } catch (error) {
        order.lose();
        throw error;
      }
    });
  }

  processSuspect(streamId: number, delivery: Delivery): Promise<Outcomes> {
    return this.process(streamId, [delivery]);
  }

  /**
   * Processes events that were parked, in their order.
   *
   * @param retries sequences of events that have failed before; each is processed alone, and its attempts are counted
   * @param isOver whether to stop before the next one; what is left stays parked
   */
  async processParked(
    streamId: number,
    messages: readonly (Message<E> | PoisonMessage)[],
    retries: ReadonlySet<number>,
    isOver: () => boolean,
  ): Promise<void> {
    const isRetry = ({ delivery }: { readonly delivery: Delivery }): boolean => retries.has(delivery.seq);
    for (const one of messages.filter(isRetry)) if (!isOver()) await this.parkedRun(streamId, [one], true);
    for (const run of runsOf(messages.filter((one) => !isRetry(one))))
      if (!isOver()) await this.parkedRun(streamId, run, this.parts.processEnds.isCareful());
  }

  /** Runs work while nothing else is decided. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }

  private async parkedRun(
    streamId: number,
    run: readonly (Message<E> | PoisonMessage)[],
    isCareful: boolean,
  ): Promise<void> {
    const messages = run.filter((one): one is Message<E> => 'event' in one);
    const poison = run.filter((one): one is PoisonMessage => !('event' in one));
    const suspects = run.map(({ delivery }) => delivery.seq);
    await this.decided(streamId, { messages, poison, suspects, wereParked: true }, isCareful);
  }

  private async decided(
    streamId: number,
    batch: Batch<E>,
    isCareful = this.parts.processEnds.isCareful(),
  ): Promise<Outcomes> {
    const beganMs = performance.now();
    const { messages, poison } = batch;
    const outcomes: Outcomes = new Map();
    const add = (some: ReadonlyMap<number, Outcome>): void => {
      for (const [seq, outcome] of some) outcomes.set(seq, outcome);
    };
    if (messages.length > 0) {
      const ofMessages = { ...batch, poison: [] };
      add(await (isCareful ? this.decideEach(streamId, ofMessages) : this.decide(streamId, ofMessages)));
    }
    // Their transaction excludes others, so it must be short.
    if (poison.length > 0) add(await this.untilWritten(streamId, { ...batch, messages: [] }));
    this.parts.processEnds.decided(outcomes.size);
    this.parts.observe({
      ...{ type: 'committed', seqs: [...outcomes.keys()], outcomes },
      ms: performance.now() - beganMs,
    });
    return outcomes;
  }

  /** Decides on each message alone. What began and never ended shows which one ends processes. */
  private async decideEach(streamId: number, batch: Batch<E>): Promise<Outcomes> {
    const outcomes: Outcomes = new Map();
    for (const message of batch.messages) {
      const { seq } = message.delivery;
      const { started, finished } = await this.started(streamId, seq);
      const ended = started - 1 - finished;
      const one = { ...batch, messages: [message], suspects: [seq] };
      let ofOne: Outcomes | undefined;
      try {
        ofOne =
          ended >= this.settings.attemptsMax
            ? await this.giveUp(streamId, one, 'process_ended', processEndedDetail(ended))
            : await this.decide(streamId, one);
      } finally {
        // A stop or another process ended the work, and not the message. The store may be out of reach.
        if (ofOne === undefined) await this.parts.inbox.withdrawAttempt(streamId, seq).catch(() => undefined);
      }
      for (const [each, outcome] of ofOne) outcomes.set(each, outcome);
      if (ofOne.get(seq)?.kind === 'parked') await this.attempts.withdraw(streamId, seq);
    }
    return outcomes;
  }

  private async started(streamId: number, seq: number): Promise<{ started: number; finished: number }> {
    for (;;) {
      const begun = await this.attempts.start(streamId, seq);
      if (begun !== undefined) return begun;
    }
  }

  /** @param msMax a bound for each transaction of several messages, shorter than the usual one */
  private async decide(streamId: number, batch: Batch<E>, msMax?: number): Promise<Outcomes> {
    const tried = await this.attempt(streamId, batch, batch.messages.length > 1 ? msMax : undefined);
    if (tried instanceof Map) return tried;
    const [message, ...more] = batch.messages;
    if (message === undefined) return new Map();
    if (more.length === 0) return this.failAlone(streamId, batch, message, tried.error);
    this.parts.observe({ type: 'divided', size: batch.messages.length, error: rootOf(tried.error) });
    return this.decideParts(streamId, batch, culpritOf(tried.error), msMax ?? partMsMaxAfter(tried));
  }

  private async decideParts(
    streamId: number,
    batch: Batch<E>,
    culprit: number | undefined,
    msMax: number | undefined,
  ): Promise<Outcomes> {
    const outcomes: Outcomes = new Map();
    for (const messages of partsInOrder(batch.messages, culprit))
      for (const [seq, outcome] of await this.decide(streamId, { ...batch, messages }, msMax))
        outcomes.set(seq, outcome);
    return outcomes;
  }

  /** Decides on a message that failed alone. It has it wait, or gives it up. */
  private async failAlone(
    streamId: number,
    batch: Batch<E>,
    message: Message<E>,
    failure: unknown,
  ): Promise<Outcomes> {
    let error = failure;
    for (let failures = 0; ; failures++) {
      const verdict = error instanceof HandlerError ? rootOf(error) : undefined;
      if (verdict instanceof Poison) return this.giveUp(streamId, batch, verdict.reason, verdict.message);
      if (verdict instanceof RetryLater) return this.park(streamId, batch, message, verdict.delayMs);
      if ((await this.probe.check(streamId, error)) === 'works') {
        if (this.probe.isRefusal(error))
          return this.giveUp(streamId, batch, 'refused_by_store', describe(error));
        const outcomes = await this.countFailure(streamId, batch, message, error);
        if (outcomes !== undefined) return outcomes;
      } else await this.parts.gate.waitForStore(error, failures);
      const tried = await this.attempt(streamId, batch);
      if (tried instanceof Map) return tried;
      error = tried.error;
    }
  }

  /** @returns `undefined` when the failure could not be counted */
  private async countFailure(
    streamId: number,
    batch: Batch<E>,
    message: Message<E>,
    error: unknown,
  ): Promise<Outcomes | undefined> {
    const { delivery, topic, eventId } = message;
    const { seq } = delivery;
    const text = describe(error);
    const attempts = await this.attempts.fail(streamId, seq, text);
    if (attempts === undefined) return undefined;
    this.parts.observe({ type: 'failed', seq, topic, eventId, attempts, error: rootOf(error) });
    const { attemptsMax, retryDelayMs: firstMs, slowRemedy = SLOW_REMEDY } = this.settings;
    if (attempts < attemptsMax) return this.park(streamId, batch, message, retryDelayMs(attempts, firstMs));
    if (failureOf(error) !== 'timeout') return this.giveUp(streamId, batch, 'effect_failed', text);
    const detail = `${text}; it took too long in ${attempts} attempts, alone: ${slowRemedy}`;
    return this.giveUp(streamId, batch, 'too_slow', detail);
  }

  private async park(
    streamId: number,
    { wereParked = false }: Batch<E>,
    message: Message<E>,
    delayMs: number,
  ): Promise<Outcomes> {
    const { seq } = message.delivery;
    await this.untilWritten(streamId, {
      ...{ messages: [], poison: [], wereParked },
      parking: [{ message, delayMs }],
    });
    return new Map([[seq, { kind: 'parked' }]]);
  }

  private async giveUp(
    streamId: number,
    { messages, wereParked = false }: Batch<E>,
    reason: string,
    detail: string,
  ): Promise<Outcomes> {
    const poison = messages.map(({ delivery, topic, eventId, orderKey }) => ({
      ...{ delivery, topic, eventId, reason, detail },
      ...(orderKey !== undefined && { orderKey }),
    }));
    const suspects = poison.map(({ delivery }) => delivery.seq);
    return this.untilWritten(streamId, { messages: [], poison, suspects, wereParked });
  }

  /** Writes what no handler can refuse. A failure is one of the store. */
  private async untilWritten(streamId: number, batch: Batch<E>): Promise<Outcomes> {
    for (let failures = 0; ; failures++) {
      const tried = await this.attempt(streamId, batch);
      if (tried instanceof Map) {
        reportDeadLetters(this.parts.observe, batch.poison, tried);
        return tried;
      }
      await this.parts.gate.waitForStore(tried.error, failures);
    }
  }

  /** Has the inbox decide once. @throws what no message can cause */
  private async attempt(streamId: number, batch: Batch<E>, msMax?: number): Promise<Outcomes | Failure> {
    const { inbox, gate } = this.parts;
    let beganMs = performance.now();
    const work = (): Promise<Outcomes> => {
      beganMs = performance.now();
      return inbox.process(streamId, batch, msMax);
    };
    try {
      const outcomes = await gate.pass(work, this.probe.waitsOut());
      this.probe.learn(batch.messages, outcomes);
      return outcomes;
    } catch (error) {
      const isOfTheOrder = error instanceof OrderLostError || error instanceof ForeignSequenceError;
      if (isOfTheOrder || gate.isStopped(error)) throw error;
      return { error, afterMs: performance.now() - beganMs };
    }
  }

  /** A reset has the brokers forget how often they delivered what failed before. */
  private mayHaveFailed(deliveries: readonly Delivery[]): number[] {
    const { deliveries: order } = this.parts;
    return deliveries.filter((one) => order.mayHaveCome(one)).map(({ seq }) => seq);
  }
}

/** Divides messages at the one at fault, where it is known, and into halves otherwise. No part is empty. */
function partsInOrder<E>(
  messages: readonly Message<E>[],
  culprit: number | undefined,
): readonly Message<E>[][] {
  const at = messages.findIndex(({ delivery }) => delivery.seq === culprit);
  const ends = at < 0 ? [Math.ceil(messages.length / 2)] : [at, at + 1];
  return [0, ...ends]
    .map((from, place) => messages.slice(from, ends[place]))
    .filter((part) => part.length > 0);
}

/** Divides parked events into runs of messages, and each event that cannot be read any more by itself. */
function runsOf<T extends object>(all: readonly T[]): T[][] {
  const runs: T[][] = [];
  for (const one of all) {
    const last = runs.at(-1);
    const isAlone = !('event' in one);
    if (last === undefined || isAlone || !('event' in (last[0] ?? {}))) runs.push([one]);
    else last.push(one);
  }
  return runs;
}
