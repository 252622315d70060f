/**
 * Turns at-least-once delivery into one effect per event.
 *
 *        ┌────── lost: look at the consumer and the history again ◀──┐
 *   open ─pull─▶ intake ─batch─▶ one transaction ─commit─▶ ack each ─┘
 *                                   └─rollback─▶ wait, divide or nak with delay (batch-processor.ts)
 *
 * Promise: effect, ledger row and count commit together; the ack is sent only after that. A crash between commit
 * and ack costs one redelivery, which the inbox turns into nothing.
 *
 * Nothing is taken from a stream whose history is not the one that was stored: each session begins with a comparison,
 * and whatever looks like going back ends it (a stream that ends earlier, a first delivery that comes again).
 *
 * Bounds: at most `prefetch` deliveries of `prefetchBytes` are asked for or held, at most `batchesInFlight` transactions are open.
 * Pulling needs no switch for outages: held deliveries fill the bound, progress is signalled for them (held-deliveries.ts), and nothing more
 * is asked.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import type { ConsumerSettings } from './consumer-settings.js';
import type { Decider } from './decider.js';
import type { Delivery } from './delivery.js';
import { DeliveryCheck } from './delivery-check.js';
import { type ConsumerHealth, healthOf } from './health.js';
import { HeldDeliveries } from './held-deliveries.js';
import { Intake } from './intake.js';
import { suspectsOf } from './isolation.js';
import type { ConsumerSight, DurableConsumer } from './jetstream/durable-consumer.js';
import { PullSession } from './jetstream/pull-session.js';
import { Watchdog } from './jetstream/watchdog.js';
import { LeaderFollower, type MoveConnection } from './leader-follower.js';
import type { OutageGate } from './outage-gate.js';
import type { Observer, Outcome, Postponed } from './outcome.js';
import { ForeignEvidence } from './foreign-evidence.js';
import { putBack, seeConsumer } from './session-history.js';
import { settle } from './settlement.js';
import { SlowLane } from './slow-messages.js';
import { byStreamId, type StreamHistory, type StreamIncarnation } from './stream-history.js';

/** What a consumer works with. */
export interface ConsumerParts {
  readonly connection: NatsConnection;
  /** Takes the connection to a broker, to follow the consumer's leader. Left out where others use the connection too. */
  readonly moveTo?: MoveConnection | undefined;
  readonly durable: DurableConsumer;
  readonly processor: Decider;
  readonly gate: OutageGate;
  readonly history: StreamHistory;
  /** Makes the consumer anew when it is gone. It may be forbidden: then it throws, and somebody else must. */
  readonly recreate: () => Promise<void>;
  readonly observe: Observer;
}

/** The time during which sequences mean the same: one incarnation of the stream. */
interface Era {
  readonly incarnation: StreamIncarnation;
  readonly intake: Intake;
  readonly over: AbortController;
}

const REOPEN_MS = 250;
const REOPEN_MS_MAX = 2_000;
const BATCH_FAILED_DELAY_MS = 5_000;
/** An outage that begins while we stop is not waited out. */
const STOP_GRACE_MS = 6_000;

/** A durable consumer at work. */
export class IdempotentConsumer {
  private readonly stopping = new AbortController();
  private readonly slots = new Set<Promise<void>>();
  private readonly lane = new SlowLane();
  private readonly follower: LeaderFollower;
  private readonly held = new HeldDeliveries();
  private era: Era | undefined;
  private readonly evidence = new ForeignEvidence();
  private session: PullSession | undefined;
  private running: Promise<void> | undefined;
  private working: Promise<void> | undefined;

  constructor(
    private readonly parts: ConsumerParts,
    private readonly settings: ConsumerSettings,
  ) {
    this.follower = new LeaderFollower(parts, () => this.held.size > 0, this.stopping.signal);
  }

  /** Begins. Resolves with the first session, so that whoever waits knows that events flow. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.running = this.run(resolve);
      this.running.then(resolve, reject);
    });
  }

  /** @param stuckMs for how long nothing may have happened while deliveries are here */
  health(stuckMs: number): ConsumerHealth {
    return healthOf(this.session !== undefined, this.parts.gate.isOut, this.held, stuckMs);
  }

  /** A handler returned. */
  progressed(): void {
    this.held.progressed();
  }

  /**
   * Takes no more, finishes the batches in flight and acknowledges them; what only waited is handed back. During
   * an outage nothing can be finished: then everything is handed back.
   */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.session?.close();
    for (const delivery of this.era?.intake.clear() ?? []) this.handBack(delivery);
    const graceMs = this.parts.gate.isOut ? 0 : STOP_GRACE_MS;
    const outOfPatience = setTimeout(() => this.parts.gate.stop(), graceMs);
    await this.running;
    await this.working;
    await Promise.all([...this.slots, this.lane.isEmpty]);
    clearTimeout(outOfPatience);
    this.endEra();
    this.held.stop();
    if (!this.parts.connection.isClosed()) await this.parts.connection.flush().catch(() => undefined);
  }

  private async run(onFirstSession: () => void): Promise<void> {
    for (let failures = 0; !this.isStopping(); failures++) {
      try {
        const sight = await this.follower.seeConsumer();
        const { name, identity } = sight.stream;
        const ask = (): Promise<StreamIncarnation> => this.evidence.ask(this.parts.history, sight.stream);
        const incarnation = await this.parts.gate.pass(ask);
        if (this.isStopping()) return;
        const era = this.enterEra(incarnation);
        this.held.signalWithin(sight.ackWaitMs);
        const isPutBack = await putBack(this.parts, incarnation, sight);
        const placed = isPutBack ? await seeConsumer(this.parts) : sight;
        this.parts.observe({ type: 'session-opened', stream: name, identity });
        onFirstSession();
        failures = 0;
        const reason = await this.pullUntilLost(era, placed);
        if (reason !== undefined) this.parts.observe({ type: 'session-lost', reason });
      } catch (error) {
        if (this.isStopping()) return;
        const reason = error instanceof Error ? error.message : String(error);
        this.parts.observe({ type: 'session-lost', reason });
      }
      const delayMs = Math.min(REOPEN_MS * 2 ** Math.min(failures, 5), REOPEN_MS_MAX);
      await pause(delayMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  /** @returns why the session ended, or `undefined` when we ended it */
  private async pullUntilLost(era: Era, sight: ConsumerSight): Promise<string | undefined> {
    const { signal } = this.stopping;
    let stopped: (() => void) | undefined;
    let watchdog: Watchdog | undefined;
    try {
      return await new Promise<string | undefined>((resolve) => {
        const { session, check } = this.openSession(era, sight, resolve);
        this.session = session;
        watchdog = this.watch(session, check, sight);
        stopped = (): void => {
          resolve(undefined);
        };
        signal.addEventListener('abort', stopped);
        this.pull();
      });
    } finally {
      watchdog?.stop();
      if (stopped) signal.removeEventListener('abort', stopped);
      this.session?.close();
      this.session = undefined;
    }
  }

  private openSession(
    era: Era,
    sight: ConsumerSight,
    onLost: (reason: string) => void,
  ): { session: PullSession; check: DeliveryCheck<Delivery> } {
    const { stream, consumer, inboxPrefix, apiPrefix } = this.parts.durable.address;
    const check = new DeliveryCheck<Delivery>(sight, this.parts.durable, {
      onTrusted: (delivery) => {
        era.intake.add(delivery);
      },
      onDoubt: ({ reason, isSplit }, waiting) => {
        for (const delivery of waiting) this.handBack(delivery);
        session.lose(reason);
        // It may be forbidden; then the reason says what somebody else has to do.
        if (isSplit) void this.parts.durable.leadFrom(sight.stream.leader).catch(() => undefined);
      },
    });
    const session = new PullSession(this.parts.connection, {
      stream,
      consumer,
      inboxPrefix,
      apiPrefix,
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

  private watch(session: PullSession, check: DeliveryCheck<Delivery>, before: ConsumerSight): Watchdog {
    const { durable, gate, observe } = this.parts;
    return new Watchdog({
      session,
      before,
      look: async () => {
        await check.askAboutNewest();
        const sight = await durable.look();
        if (sight) this.held.signalWithin(sight.ackWaitMs);
        return sight;
      },
      // During an outage every worker holds what it has.
      isHeld: (seq) => gate.isOut || this.held.seqs().has(seq),
      giveBack: (firstSeq, lastSeq, sight) => {
        durable.giveBack(firstSeq, lastSeq, sight, this.held.seqs());
        observe({ type: 'given-back', firstSeq, lastSeq });
      },
      onFlow: () => {
        durable.answered();
      },
    });
  }

  private enterEra(incarnation: StreamIncarnation): Era {
    if (this.era?.incarnation.streamId === incarnation.streamId) return this.era;
    this.endEra();
    const intake = new Intake(this.settings);
    const era: Era = { incarnation, intake, over: new AbortController() };
    this.era = era;
    this.working = this.workThrough(era);
    return era;
  }

  private endEra(): void {
    // Sequences that mean other messages now: nobody waits for an answer.
    for (const delivery of this.era?.intake.clear() ?? []) this.held.delete(delivery);
    this.era?.over.abort();
    this.era = undefined;
  }

  private async workThrough(era: Era): Promise<void> {
    const signal = AbortSignal.any([era.over.signal, this.stopping.signal]);
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      const taken = await era.intake.take(signal, () => this.slots.size === 0);
      for (const [streamId, batch] of byStreamId(era.incarnation, taken))
        await this.workOn(era, streamId, batch, isOver);
    }
  }

  private async workOn(
    era: Era,
    streamId: number,
    taken: readonly Delivery[],
    isOver: () => boolean,
  ): Promise<void> {
    const batch = taken.filter((delivery) => !this.workInLane(era, streamId, delivery));
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
    if (others.length > 0) this.workAside(era, streamId, others);
    if (suspected.size > 0) await Promise.all(this.slots);
    for (const suspect of batch.filter(({ seq }) => suspected.has(seq))) {
      const { seq, deliveryCount: deliveries } = suspect;
      if (isOver()) {
        this.handBack(suspect);
        continue;
      }
      this.parts.observe({ type: 'isolated', seq, deliveries });
      await this.work(era, [suspect], () => this.parts.processor.processSuspect(streamId, suspect));
    }
  }

  /** Sees to a message that took too long before. @returns whether it is one */
  private workInLane(era: Era, streamId: number, delivery: Delivery): boolean {
    const { processor } = this.parts;
    if (!processor.isSlow(streamId, delivery.seq)) return false;
    const isTaken = this.lane.add(async () => {
      if (this.isStopping() || era.over.signal.aborted) this.postpone(era, delivery);
      else await this.work(era, [delivery], () => processor.process(streamId, [delivery]));
    });
    if (!isTaken) this.answer(delivery, { kind: 'retry', delayMs: BATCH_FAILED_DELAY_MS });
    return true;
  }

  /** Processes a batch in a slot of its own. */
  private workAside(era: Era, streamId: number, batch: readonly Delivery[]): void {
    const process = (): Promise<ReadonlyMap<number, Outcome>> =>
      this.parts.processor.process(streamId, batch);
    const slot = this.work(era, batch, process).finally(() => {
      this.slots.delete(slot);
    });
    this.slots.add(slot);
  }

  /** Never rejects: whatever happens, every delivery gets an answer. */
  private async work(
    era: Era,
    batch: readonly Delivery[],
    process: () => Promise<ReadonlyMap<number, Outcome>>,
  ): Promise<void> {
    try {
      const outcomes = await process();
      for (const delivery of batch) {
        const outcome = outcomes.get(delivery.seq) ?? { kind: 'retry', delayMs: BATCH_FAILED_DELAY_MS };
        if (outcome.kind === 'postponed') this.postpone(era, delivery);
        else this.answer(delivery, outcome);
      }
    } catch (error) {
      const stopped = this.parts.gate.isStopped(error);
      if (!stopped) this.parts.observe({ type: 'batch-failed', size: batch.length, error });
      const delayMs = stopped ? 1 : BATCH_FAILED_DELAY_MS;
      for (const delivery of batch) this.answer(delivery, { kind: 'retry', delayMs });
      if (this.evidence.note(error, era.incarnation)) this.session?.lose(error.message);
    }
    this.pull();
  }

  private postpone(era: Era, delivery: Delivery): void {
    if (this.isStopping()) this.handBack(delivery);
    else if (era.over.signal.aborted) this.held.delete(delivery);
    else era.intake.add(delivery);
  }

  /** So that another worker gets it at once. */
  private handBack(delivery: Delivery): void {
    this.answer(delivery, { kind: 'retry', delayMs: 1 });
  }

  private answer(delivery: Delivery, outcome: Exclude<Outcome, Postponed>): void {
    this.held.delete(delivery);
    try {
      settle(delivery, outcome);
    } catch {
      // The connection is closed: the delivery comes again, and the inbox knows it.
    }
  }

  /** Asked anew after every wait: the answer may have changed meanwhile. */
  private isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  private pull(): void {
    if (this.stopping.signal.aborted) return;
    const { prefetch, prefetchBytes } = this.settings;
    this.session?.request(prefetch - this.held.size, prefetchBytes - this.held.bytes);
  }
}
