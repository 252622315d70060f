/**
 * What an answer of `POST /_bulk` says about each message, by the status of its item.
 *
 *   201, 409          ok: the brokers have it, or had it before
 *   400, 403          fail: it was not published
 *   429, no item      info: the brokers may have taken it all the same
 *
 * Documents are published while they arrive. So a refusal of the whole request says nothing about any of them.
 */
import type { EndedMessage } from '../history/operation.js';
import type { Message } from './message.js';
import { unknown, type Answer } from './producer.js';

const UNKNOWN: EndedMessage = ['info', 0, 0];

/** An item, whatever its action was. */
interface Item {
  readonly _index?: unknown;
  readonly _id?: unknown;
  /** Only where it is another name than the index. */
  readonly topic?: unknown;
  readonly status?: unknown;
  readonly _seq_no?: unknown;
  readonly error?: { readonly reason?: unknown };
}

/** Only the reason of a 409 has the sequence of the first message. */
const FIRST = / as sequence (\d+)$/;

/** Reads an answer. @param text the body, to its end */
export function readBulkAnswer(status: number, text: string, messages: readonly Message[]): Answer {
  if (status !== 200) return unknown(messages.length, String(status));
  const items = itemsIn(text);
  const ended = messages.map((message, index) => endOf(message, items[index]));
  const isWhole = ended.every(([outcome]) => outcome === 'ok');
  return { messages: ended, refusedForNow: false, ...(isWhole ? {} : { reason: 'items' }) };
}

function endOf({ topic, eventId }: Message, item: Item | undefined): EndedMessage {
  // An item about another event says nothing about this one.
  if (item === undefined || (item.topic ?? item._index) !== topic || item._id !== eventId) return UNKNOWN;
  switch (item.status) {
    case 201:
      return ['ok', typeof item._seq_no === 'number' ? item._seq_no : 0, 0];
    case 409:
      return ['ok', Number(FIRST.exec(String(item.error?.reason))?.[1] ?? 0), 1];
    case 400:
    case 403:
      return ['fail', 0, 0];
    default:
      return UNKNOWN;
  }
}

/** Items in the order of their documents. Each stands in an object, under the name of its action. */
function itemsIn(text: string): readonly (Item | undefined)[] {
  try {
    const { items } = JSON.parse(text) as { items: readonly Readonly<Record<string, Item>>[] };
    return items.map((named) => Object.values(named)[0]);
  } catch {
    return [];
  }
}
