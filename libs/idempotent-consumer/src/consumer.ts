import { setTimeout as pause } from 'node:timers/promises';
import type { ConsumerSettings } from './consumer-settings.js';
import type { Decider } from './decider.js';
import type { Delivery } from './delivery.js';
import { DeliveryCheck } from './delivery-check.js';
import { describe } from './handler-error.js';
import type { ConsumerState, DeliverySession, DeliverySource } from './delivery-source.js';
import { type ConsumerHealth, healthOf } from './health.js';
import { HeldDeliveries } from './held-deliveries.js';
import { BatchBuffer } from './batch-buffer.js';
import { suspectsOf } from './isolation.js';
import { LeaderFollower, type MoveConnection } from './leader-follower.js';
import type { OutageGate } from './outage-gate.js';
import type { Observer, Outcome, Postponed } from './outcome.js';
import { ForeignEvidence } from './foreign-evidence.js';
import { OrderLostError } from './order/order-lost-error.js';
import type { Turn } from './order/turn.js';
import { beginTurn, inspectConsumer, putBack } from './session-history.js';
import { watchdogOver } from './session-watchdog.js';
import { settle } from './settlement.js';
import { SlowLane } from './slow-messages.js';
import { StoreWatch } from './store-watch.js';
import { byStreamId, type StreamHistory, type StreamIncarnation } from './stream-history.js';

/** What a consumer works with. */
export interface ConsumerParts {
  /** Where deliveries come from. */
  readonly source: DeliverySource;
  /**
   * Moves the connection to a broker, so that it follows the consumer's leader. It is left out when other
   * code uses the connection too.
   */
  readonly moveTo?: MoveConnection | undefined;
  readonly processor: Decider;
  readonly gate: OutageGate;
  /** For a consumer that keeps an order. Its processor decides on one batch at a time. */
  readonly turn?: Turn | undefined;
  readonly history: StreamHistory;
  /** Creates a missing consumer. It throws where the brokers forbid that; then an operator must create it. */
  readonly recreate: () => Promise<void>;
  readonly observe: Observer;
  /** Starts what keeps the inbox in shape while the consumer runs. */
  readonly keep?: (() => { stop(): void }) | undefined;
}

/** The work on one incarnation of the stream, within which sequences compare. */
interface IncarnationScope {
  readonly incarnation: StreamIncarnation;
  readonly buffer: BatchBuffer;
  readonly ended: AbortController;
}

const REOPEN_MS = 250;
const REOPEN_MS_MAX = 2_000;
const BATCH_FAILED_DELAY_MS = 5_000;
/** How long a stop waits for batches in flight. An outage that begins meanwhile is not waited out. */
const STOP_GRACE_MS = 6_000;

/**
 * Turns at-least-once delivery into one effect per event.
 *
 *          ┌──── lost: inspect the consumer and its history again ◀────┐
 *   open ──┴─pull─▶ buffer ─batch─▶ one transaction ─commit─▶ ack each ┘
 *                                   └─rollback─▶ wait, divide or nak with delay (batch-processor.ts)
 *
 * Promise: the effect, the inbox row and the count commit together, and the ack is sent only after that. A
 * crash between commit and ack costs one redelivery, which the inbox turns into nothing.
 *
 * No event is taken from a stream whose history differs from the stored one. Each session begins with a
 * comparison. It ends at any sign that the stream went back, such as an earlier end or a repeated first
 * delivery.
 *
 * A consumer that keeps an order waits for its turn before each session, and begins behind the ack floor. What it
 * took in the session before is dropped, because it comes again.
 *
 * Bounds: at most `prefetch` deliveries of `prefetchBytes` are requested or held, and at most
 * `batchesInFlight` transactions are open. An outage needs no special case: held deliveries fill the bound,
 * progress is signalled for them (held-deliveries.ts), and no more are requested.
 */
export class IdempotentConsumer {
  private readonly stopping = new AbortController();
  private readonly slots = new Set<Promise<void>>();
  private readonly lane = new SlowLane();
  private readonly follower: LeaderFollower;
  private readonly held = new HeldDeliveries();
  private scope: IncarnationScope | undefined;
  private readonly evidence = new ForeignEvidence();
  private session: DeliverySession | undefined;
  private running: Promise<void> | undefined;
  private working: Promise<void> | undefined;
  private upkeep: { stop(): void } | undefined;

  constructor(
    private readonly parts: ConsumerParts,
    private readonly settings: ConsumerSettings,
  ) {
    this.follower = new LeaderFollower(parts, () => this.held.size > 0, this.stopping.signal);
  }

  /** Starts the consumer. It resolves when the first session is open and events can flow. */
  async start(): Promise<void> {
    this.upkeep = this.parts.keep?.();
    await new Promise<void>((resolve, reject) => {
      this.running = this.run(resolve);
      this.running.then(resolve, reject);
    });
  }

  /**
   * Returns the health of the consumer.
   *
   * @param stuckMs how long the consumer may hold deliveries without progress
   */
  health(stuckMs: number): ConsumerHealth {
    const { gate, turn } = this.parts;
    return healthOf(this.session !== undefined, gate.isOut, this.held, stuckMs, turn);
  }

  /** Notes that a handler returned. */
  progressed(): void {
    this.held.progressed();
  }

  /**
   * Stops the consumer. It finishes and acknowledges the batches in flight, and hands back waiting
   * deliveries. During an outage no batch can be finished, so every delivery is handed back.
   */
  async stop(): Promise<void> {
    this.upkeep?.stop();
    this.stopping.abort();
    this.session?.close();
    for (const delivery of this.scope?.buffer.clear() ?? []) this.handBack(delivery);
    const graceMs = this.parts.gate.isOut ? 0 : STOP_GRACE_MS;
    const graceTimer = setTimeout(() => this.parts.gate.stop(), graceMs);
    await this.running;
    await this.working;
    await Promise.all([...this.slots, this.lane.isEmpty]);
    await this.parts.turn?.stop();
    clearTimeout(graceTimer);
    this.endIncarnation();
    this.held.stop();
    await this.parts.source.flush();
  }

  private async run(onFirstSession: () => void): Promise<void> {
    for (let failures = 0; !this.isStopping(); failures++) {
      try {
        await this.parts.turn?.take(this.stopping.signal, onFirstSession);
        if (this.isStopping()) return;
        const state = await this.follower.inspectConsumer();
        const { name, identity } = state.stream;
        const ask = (): Promise<StreamIncarnation> => this.evidence.ask(this.parts.history, state.stream);
        const incarnation = await this.parts.gate.pass(ask);
        if (this.isStopping()) return;
        const scope = this.enterIncarnation(incarnation);
        this.held.setAckWait(state.ackWaitMs);
        const isPutBack = await putBack(this.parts, incarnation, state);
        const now = isPutBack ? await inspectConsumer(this.parts) : state;
        const placed = await beginTurn(this.parts, now, (reason) => this.session?.lose(reason));
        this.parts.observe({ type: 'session-opened', stream: name, identity });
        onFirstSession();
        failures = 0;
        const reason = await this.pullUntilLost(scope, placed);
        if (reason !== undefined) this.parts.observe({ type: 'session-lost', reason });
      } catch (error) {
        if (this.isStopping()) return;
        this.parts.observe({ type: 'session-lost', reason: describe(error) });
      }
      const delayMs = Math.min(REOPEN_MS * 2 ** Math.min(failures, 5), REOPEN_MS_MAX);
      await pause(delayMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  /** Pulls until the session ends. @returns why it was lost, or `undefined` when this consumer ended it */
  private async pullUntilLost(scope: IncarnationScope, state: ConsumerState): Promise<string | undefined> {
    const { signal } = this.stopping;
    let stopped: (() => void) | undefined;
    const watches: { stop(): void }[] = [];
    try {
      return await new Promise<string | undefined>((resolve) => {
        const { session, check } = this.openSession(scope, state, resolve);
        this.session = session;
        watches.push(
          watchdogOver(this.parts, this.held, { session, check, before: state }),
          StoreWatch.over(this.parts, scope.incarnation, session, state),
        );
        stopped = (): void => {
          resolve(undefined);
        };
        signal.addEventListener('abort', stopped);
        this.pull();
      });
    } finally {
      for (const watch of watches) watch.stop();
      if (stopped) signal.removeEventListener('abort', stopped);
      this.session?.close();
      this.session = undefined;
      if (this.parts.turn) await this.endWork();
    }
  }

  /** What was taken in a session is not in order for the next one. */
  private async endWork(): Promise<void> {
    if (this.isStopping()) return;
    this.endIncarnation();
    await this.working;
    await Promise.all(this.slots);
  }

  private openSession(
    scope: IncarnationScope,
    state: ConsumerState,
    onLost: (reason: string) => void,
  ): { session: DeliverySession; check: DeliveryCheck<Delivery> } {
    const { source } = this.parts;
    const check = new DeliveryCheck<Delivery>(state, source, {
      // The answer may come after the end of the scope, whose buffer nothing empties any more.
      onTrusted: (delivery) => {
        this.waitInTurn(scope, delivery);
      },
      onDoubt: ({ reason, isSplit }, waiting) => {
        for (const delivery of waiting) this.handBack(delivery);
        session.lose(reason);
        // The next session may be open already, and have had no room.
        this.pull();
        // The brokers may forbid it. Then the reason tells the operator what to do.
        if (isSplit) void source.leadFrom(state.stream.leader).catch(() => undefined);
      },
    });
    const session = source.open({
      onDelivery: (delivery) => {
        this.held.add(delivery);
        check.take(delivery);
      },
      onPullEnded: () => {
        this.pull();
      },
      onLost,
    });
    return { session, check };
  }

  private enterIncarnation(incarnation: StreamIncarnation): IncarnationScope {
    if (this.scope?.incarnation.streamId === incarnation.streamId) return this.scope;
    this.endIncarnation();
    const buffer = new BatchBuffer(this.settings);
    const scope: IncarnationScope = { incarnation, buffer, ended: new AbortController() };
    this.scope = scope;
    this.working = this.workThrough(scope);
    return scope;
  }

  private endIncarnation(): void {
    // These sequences mean other messages now, so the broker expects no answer.
    for (const delivery of this.scope?.buffer.clear() ?? []) this.held.delete(delivery);
    this.scope?.ended.abort();
    this.scope = undefined;
  }

  private async workThrough(scope: IncarnationScope): Promise<void> {
    const signal = AbortSignal.any([scope.ended.signal, this.stopping.signal]);
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      const taken = await scope.buffer.take(signal, () => this.slots.size === 0);
      for (const [streamId, batch] of byStreamId(scope.incarnation, taken))
        await this.workOn(scope, streamId, batch, isOver);
    }
  }

  private async workOn(
    scope: IncarnationScope,
    streamId: number,
    taken: readonly Delivery[],
    isOver: () => boolean,
  ): Promise<void> {
    const batch = taken.filter((delivery) => !this.workInLane(scope, streamId, delivery));
    while (this.slots.size >= this.settings.batchesInFlight) await Promise.race(this.slots);
    const { isolateAfterDeliveries } = this.settings;
    const suspected = this.isStopping()
      ? undefined
      : await suspectsOf(this.parts, isolateAfterDeliveries, streamId, batch);
    if (suspected === undefined) {
      for (const delivery of batch) this.handBack(delivery);
      return;
    }
    const others = batch.filter(({ seq }) => !suspected.has(seq));
    if (others.length > 0) this.workAside(scope, streamId, others);
    if (suspected.size > 0) await Promise.all(this.slots);
    for (const suspect of batch.filter(({ seq }) => suspected.has(seq))) {
      if (isOver()) this.handBack(suspect);
      else {
        const { seq, deliveryCount: deliveries } = suspect;
        this.parts.observe({ type: 'isolated', seq, deliveries });
        await this.work(scope, [suspect], () => this.parts.processor.processSuspect(streamId, suspect));
      }
    }
  }

  /** Processes a message in the slow lane if it took too long before. @returns whether it did */
  private workInLane(scope: IncarnationScope, streamId: number, delivery: Delivery): boolean {
    const { processor } = this.parts;
    if (!processor.isSlow(streamId, delivery.seq)) return false;
    const isTaken = this.lane.add(async () => {
      if (this.isStopping() || scope.ended.signal.aborted) this.waitInTurn(scope, delivery);
      else await this.work(scope, [delivery], () => processor.process(streamId, [delivery]));
    });
    if (!isTaken) this.answer(delivery, { kind: 'retry', delayMs: BATCH_FAILED_DELAY_MS });
    return true;
  }

  /** Processes a batch in a slot of its own. */
  private workAside(scope: IncarnationScope, streamId: number, batch: readonly Delivery[]): void {
    const { processor } = this.parts;
    const slot = this.work(scope, batch, () => processor.process(streamId, batch)).finally(() => {
      this.slots.delete(slot);
    });
    this.slots.add(slot);
  }

  /** Never rejects: every delivery gets an answer, whatever happens. */
  private async work(
    scope: IncarnationScope,
    batch: readonly Delivery[],
    process: () => Promise<ReadonlyMap<number, Outcome>>,
  ): Promise<void> {
    try {
      const outcomes = await process();
      for (const delivery of batch) {
        const outcome = outcomes.get(delivery.seq) ?? { kind: 'retry', delayMs: BATCH_FAILED_DELAY_MS };
        if (outcome.kind === 'postponed') this.waitInTurn(scope, delivery);
        else this.answer(delivery, outcome);
      }
    } catch (error) {
      const stopped = this.parts.gate.isStopped(error);
      const outOfOrder = error instanceof OrderLostError;
      if (!stopped && !outOfOrder) this.parts.observe({ type: 'batch-failed', size: batch.length, error });
      const delayMs = stopped ? 1 : BATCH_FAILED_DELAY_MS;
      for (const delivery of batch)
        if (outOfOrder) this.held.delete(delivery);
        else this.answer(delivery, { kind: 'retry', delayMs });
      const isLost = this.evidence.note(error, scope.incarnation) || (this.parts.turn && !stopped);
      if (isLost) this.session?.lose(describe(error));
    }
    this.pull();
  }

  /** Has a delivery wait for its transaction, unless the work on its incarnation or session is over. */
  private waitInTurn(scope: IncarnationScope, delivery: Delivery): void {
    if (this.isStopping()) this.handBack(delivery);
    else if (!scope.ended.signal.aborted) scope.buffer.add(delivery);
    else {
      this.held.delete(delivery);
      // The next session may have had no room.
      this.pull();
    }
  }

  /** Another worker gets the delivery at once. */
  private handBack(delivery: Delivery): void {
    this.answer(delivery, { kind: 'retry', delayMs: 1 });
  }

  private answer(delivery: Delivery, outcome: Exclude<Outcome, Postponed>): void {
    this.held.delete(delivery);
    try {
      settle(delivery, outcome);
    } catch {
      // The connection is closed. The delivery comes again, and the inbox knows it.
    }
  }

  /** Checked again after every wait, because the answer may have changed. */
  private isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  private pull(): void {
    if (this.stopping.signal.aborted) return;
    const { prefetch, prefetchBytes } = this.settings;
    this.session?.request(prefetch - this.held.size, prefetchBytes - this.held.bytes);
  }
}
