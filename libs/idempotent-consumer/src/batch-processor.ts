/**
 * Takes a batch to its outcomes, whatever Postgres says to it.
 *
 *   process ─ok──────────────────────▶ outcomes
 *      ├─outage / contention─▶ wait ─▶ process again      (nothing is counted, nothing given up)
 *      └─refused / defect────▶ divide ▶ process each half
 *                                └─stands alone─▶ refused: dead letter · defect: retry, then dead letter
 *
 * A message delivered again and again without being settled is suspected of ending the process. It is processed
 * alone, with nothing else at work in this process, and the attempt is written down before it begins: attempts
 * that began and never ended are its doing. Its neighbours were redelivered as often but end their attempts. So does
 * what is thrown: it says nothing about the message, which has not ended the process.
 */
import type { Decoder, Delivery, Message, Poison } from './delivery.js';
import type { Observer, Outcome } from './outcome.js';
import type { OutageGate } from './outage-gate.js';
import { classifyDatabaseError } from './postgres/sqlstate.js';
import { type Batch, ForeignSequenceError, type Inbox } from './postgres/inbox.js';

/** Bounds of the processing. */
export interface ProcessorSettings {
  /** Attempts, alone, before a message becomes a dead letter. */
  readonly attemptsMax: number;
  /** First delay before a message that failed alone is delivered again; it doubles. */
  readonly retryDelayMs: number;
}

const RETRY_DELAY_MS_MAX = 60_000;

/** Takes batches to outcomes. Holds no state between batches. */
export class BatchProcessor<E> {
  constructor(
    private readonly inbox: Inbox<E>,
    private readonly decode: Decoder<E>,
    private readonly gate: OutageGate,
    private readonly settings: ProcessorSettings,
    private readonly observe: Observer,
  ) {}

  /**
   * Processes deliveries together.
   *
   * @returns the outcome of each sequence; those that are `postponed` belong into a later call
   * @throws `StoppedError` when stopped during an outage, `ForeignSequenceError` when the stream has another history;
   *   then nothing may be acknowledged
   */
  async process(streamId: number, deliveries: readonly Delivery[]): Promise<Map<number, Outcome>> {
    const outcomes = await this.settleTogether(streamId, this.decodeAll(deliveries));
    const seqs: number[] = [];
    for (const [seq, { kind }] of outcomes) if (kind !== 'postponed') seqs.push(seq);
    this.observe({ type: 'committed', seqs });
    return outcomes;
  }

  /** Processes one suspect, alone. The caller sees to it that nothing else is at work. */
  async processSuspect(streamId: number, delivery: Delivery): Promise<Map<number, Outcome>> {
    const { seq } = delivery;
    const { started, finished } = await this.gate.pass(() => this.inbox.startAttempt(streamId, seq));
    const batch = { ...this.decodeAll([delivery]), suspects: [seq] };
    const endedTheProcess = started - 1 - finished;
    const [message] = batch.messages;
    try {
      const outcomes =
        message && endedTheProcess >= this.settings.attemptsMax
          ? await this.giveUp(
              streamId,
              message,
              'process_ended',
              `${endedTheProcess} attempts began and never ended`,
            )
          : await this.settleTogether(streamId, batch);
      this.observe({ type: 'committed', seqs: [seq] });
      return outcomes;
    } catch (error) {
      // Without an answer the attempt stays open, as if this process had died: it is one of several, and no more.
      await this.inbox.withdrawAttempt(streamId, seq).catch(() => undefined);
      throw error;
    }
  }

  private decodeAll(deliveries: readonly Delivery[]): Batch<E> {
    const messages: Message<E>[] = [];
    const poison: Poison[] = [];
    for (const delivery of eachSequenceOnce(deliveries)) {
      const decoded = this.decode(delivery);
      if (decoded.ok) messages.push(decoded.message);
      else poison.push(decoded.poison);
    }
    return { messages, poison };
  }

  private async settleTogether(streamId: number, batch: Batch<E>): Promise<Map<number, Outcome>> {
    let failure: unknown;
    try {
      const outcomes = await this.gate.pass(() => this.inbox.process(streamId, batch));
      this.tellDeadLetters(batch.poison, outcomes);
      return outcomes;
    } catch (error) {
      if (this.gate.isStopped(error) || error instanceof ForeignSequenceError) throw error;
      failure = error;
    }
    const [message, ...more] = batch.messages;
    if (!message) throw failure;
    if (more.length === 0 && batch.poison.length === 0) return this.settleAlone(streamId, message, failure);
    this.observe({ type: 'divided', size: batch.messages.length, error: failure });
    return this.settleHalves(streamId, batch);
  }

  private async settleHalves(streamId: number, batch: Batch<E>): Promise<Map<number, Outcome>> {
    const middle = Math.ceil(batch.messages.length / 2);
    const parts: Batch<E>[] = [
      { ...batch, messages: batch.messages.slice(0, middle), poison: [] },
      { ...batch, messages: batch.messages.slice(middle), poison: [] },
      { ...batch, messages: [], poison: batch.poison },
    ];
    const outcomes = new Map<number, Outcome>();
    for (const part of parts) {
      if (part.messages.length + part.poison.length === 0) continue;
      for (const [seq, outcome] of await this.settleTogether(streamId, part)) outcomes.set(seq, outcome);
    }
    return outcomes;
  }

  private async settleAlone(
    streamId: number,
    message: Message<E>,
    error: unknown,
  ): Promise<Map<number, Outcome>> {
    const reason = describe(error);
    if (classifyDatabaseError(error) === 'refused')
      return this.giveUp(streamId, message, 'refused_by_store', reason);
    const { seq } = message.delivery;
    const attempts = await this.gate.pass(() => this.inbox.failAttempt(streamId, seq, reason));
    this.observe({ type: 'failed', seq, attempts, error });
    if (attempts >= this.settings.attemptsMax) return this.giveUp(streamId, message, 'effect_failed', reason);
    const delayMs = Math.min(this.settings.retryDelayMs * 2 ** (attempts - 1), RETRY_DELAY_MS_MAX);
    return new Map([[seq, { kind: 'retry', delayMs }]]);
  }

  private async giveUp(
    streamId: number,
    message: Message<E>,
    reason: string,
    detail: string,
  ): Promise<Map<number, Outcome>> {
    const { delivery, topic, eventId } = message;
    const poison = [{ delivery, topic, eventId, reason, detail }];
    const batch = { messages: [], poison, suspects: [delivery.seq] };
    const outcomes = await this.gate.pass(() => this.inbox.process(streamId, batch));
    this.tellDeadLetters(poison, outcomes);
    return outcomes;
  }

  private tellDeadLetters(poison: readonly Poison[], outcomes: ReadonlyMap<number, Outcome>): void {
    for (const { delivery, reason, detail } of poison) {
      if (outcomes.get(delivery.seq)?.kind !== 'dead-letter') continue;
      this.observe({ type: 'dead-letter', seq: delivery.seq, reason, detail });
    }
  }
}

/** Of those delivered twice into one batch the first decides; both are answered. */
function eachSequenceOnce(deliveries: readonly Delivery[]): readonly Delivery[] {
  // Mostly they come in order, and can be told apart without being remembered.
  const isAscending = deliveries.every(({ seq }, position) => seq > (deliveries[position - 1]?.seq ?? -1));
  if (isAscending) return deliveries;
  const seen = new Set<number>();
  return deliveries.filter(({ seq }) => !seen.has(seq) && seen.add(seq));
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? `${code}: ${error.message}` : error.message;
}
