/** The contract of all producers: sending, and the outcome of an answer. */
import type { EndedMessage, Via } from '../history/operation.js';
import type { Message } from './message.js';

/** How an operation ended. */
export interface Answer {
  /** One for each message, in the order sent. */
  readonly messages: readonly EndedMessage[];
  /** Why not every message is *ok*. */
  readonly reason?: string;
  /** Whether what ended *fail* may succeed later, because there was no listener or no room. False: it never will. */
  readonly refusedForNow: boolean;
  /** URL of the gateway that was asked, if one was. */
  readonly gateway?: string;
}

/** Sends operations over one way. */
export interface Producer {
  /** "http-1", "nats-2": the name in the history. */
  readonly name: string;
  readonly via: Via;
  /** Sends one operation and resolves with its end, within its own timeout. It never rejects because of the system. */
  send(messages: readonly Message[]): Promise<Answer>;
  /** Frees what it holds. It may be called again. */
  close(): Promise<void>;
}

/** The outcome of all of them is unknown. */
export function unknown(count: number, reason: string): Answer {
  return { messages: alike(count, ['info', 0, 0]), reason, refusedForNow: false };
}

/** None of them is stored, or will be by this operation. */
export function refused(count: number, reason: string, refusedForNow: boolean): Answer {
  return { messages: alike(count, ['fail', 0, 0]), reason, refusedForNow };
}

function alike(count: number, ended: EndedMessage): EndedMessage[] {
  return Array.from({ length: count }, () => ended);
}
