import type { EndedMessage, Operation, Outcome, SentMessage } from '../history/operation.js';
import type { Message } from './message.js';
import type { Answer, Producer } from './producer.js';

/** Where operations are recorded: `HistoryWriter`. */
export interface History {
  /** Resolves when the line is safe from a crash of this process. */
  append(operation: Operation): Promise<void>;
}

/**
 * Sends operations and records them: the invocation before it is sent, its end after, each with its time. It counts
 * what was sent and acknowledged.
 */
export class OperationLog {
  /** Messages sent, repeats and retries included. */
  sent = 0;
  /** Messages that were acknowledged: with outcome *ok*. */
  acknowledged = 0;
  private operations = 0;

  /**
   * @param clock milliseconds since the load began
   * @param onAcknowledged called after each operation of which at least one message was acknowledged, with the URL of
   * the gateway that answered, if one did
   */
  constructor(
    private readonly history: History,
    private readonly clock: () => number,
    private readonly onAcknowledged: (atMs: number, gateway?: string) => void = () => undefined,
  ) {}

  /** Operations begun. */
  get begun(): number {
    return this.operations;
  }

  /** Records an operation, sends it, and records its end. @throws when the history cannot be written */
  async run(producer: Producer, messages: readonly Message[]): Promise<Answer> {
    const op = (this.operations += 1);
    this.sent += messages.length;
    await this.history.append({
      type: 'invoke',
      op,
      atMs: this.nowMs(),
      producer: producer.name,
      via: producer.via,
      messages: messages.map(asSent),
    });
    const answer = await producer.send(messages);
    const atMs = this.nowMs();
    const acknowledged = answer.messages.filter(([outcome]) => outcome === 'ok').length;
    this.acknowledged += acknowledged;
    if (acknowledged > 0) this.onAcknowledged(atMs, answer.gateway);
    await this.history.append({
      type: outcomeOf(answer.messages),
      op,
      atMs,
      messages: answer.messages,
      ...(answer.reason === undefined ? {} : { reason: answer.reason }),
    });
    return answer;
  }

  private nowMs(): number {
    return Math.round(this.clock());
  }
}

/** How an operation ended as a whole: *info* as soon as one message is unknown, *fail* only when every one failed. */
export function outcomeOf(messages: readonly EndedMessage[]): Outcome {
  const outcomes = new Set(messages.map(([outcome]) => outcome));
  if (outcomes.has('info')) return 'info';
  return outcomes.has('ok') ? 'ok' : 'fail';
}

function asSent({ topic, eventId, variant, poison }: Message): SentMessage {
  return [topic, eventId, variant, poison ?? null];
}
