import type { NotedLoss } from '#store';
import type { ComponentState } from './component-state.js';

/**
 * The state of a database that went back in time. It is degraded until it has again what it lacked, and after that a
 * note says what happened. Events are taken all the while: what is missing is in the stream.
 */
export function lossState(loss: NotedLoss): ComponentState {
  const { consumer, firstSeq, lastSeq, missing, publishedAt, noticedAt, restoredAt } = loss;
  const what =
    `it went back in time before ${noticedAt.toISOString()}, to the events of ${publishedAt.toISOString()}: ` +
    `consumer ${consumer} had acknowledged at least ${missing} messages from sequence ${firstSeq} to ${lastSeq} that it lacked`;
  return restoredAt === undefined
    ? { status: 'degraded', detail: `${what}; they are being delivered again` }
    : { status: 'ok', detail: `${what}; it has all of them again since ${restoredAt.toISOString()}` };
}
