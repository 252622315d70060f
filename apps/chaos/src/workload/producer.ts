/** What every producer is, whichever way it sends, and what it makes of an answer. */
import type { EndedMessage, Via } from '../history/operation.js';
import type { Message } from './message.js';

/** How an operation ended. */
export interface Answer {
  /** One for each message, in the order sent. */
  readonly messages: readonly EndedMessage[];
  /** Why, where not every message is *ok*. */
  readonly reason?: string;
  /** Whether what ended *fail* may succeed later: nobody was there, or there was no room. False: it never will. */
  readonly refusedForNow: boolean;
  /** URL of the gateway that was asked, where one was. */
  readonly gateway?: string;
}

/** Sends operations over one way. */
export interface Producer {
  /** "http-1", "nats-2": as in the history. */
  readonly name: string;
  readonly via: Via;
  /** Sends one operation and resolves with its end, within a time-out of its own. Never rejects for the system's trouble. */
  send(messages: readonly Message[]): Promise<Answer>;
  /** Frees what it holds. Repeatable. */
  close(): Promise<void>;
}

/** Nobody knows what became of any of them. */
export function unknown(count: number, reason: string): Answer {
  return { messages: alike(count, ['info', 0, 0]), reason, refusedForNow: false };
}

/** Not one of them is stored, or will be by this operation. */
export function refused(count: number, reason: string, refusedForNow: boolean): Answer {
  return { messages: alike(count, ['fail', 0, 0]), reason, refusedForNow };
}

function alike(count: number, ended: EndedMessage): EndedMessage[] {
  return Array.from({ length: count }, () => ended);
}
