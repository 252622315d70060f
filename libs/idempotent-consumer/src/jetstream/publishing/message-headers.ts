/**
 * Encodes the headers of a message once.
 *
 * The client's own headers inspect every name and value several times per message, but these names are ours. Every try
 * needs new headers: the client writes into the ones it gets, and an old id in them loses the message.
 */
import { errors, type MsgHdrs } from '@nats-io/nats-core';
import { MESSAGE_ID_HEADER } from '../../message-id-header.js';
import type { PublishJob } from './publish-job.js';

/**
 * Identifies one submission. A publisher that tried twice and gets the answer "duplicate" sees by it whether the brokers
 * mean its own first try. No other program needs it.
 */
export const SUBMISSION_HEADER = 'Sekali-Submission';

/** The position of a message in an atomic batch. */
export interface BatchPlace {
  readonly batch: string;
  /** Counted from 1. */
  readonly number: number;
  /** The last message commits the batch. */
  readonly isLast: boolean;
}

const LINE_BREAK = /[\r\n]/;

/**
 * @throws `InvalidArgumentError` when the message id holds a line break, which would end the header
 */
export function messageHeaders(
  messageId: string,
  { submission, traceLines }: Pick<PublishJob, 'submission' | 'traceLines'>,
  place?: BatchPlace,
): MsgHdrs {
  if (LINE_BREAK.test(messageId))
    throw errors.InvalidArgumentError.format('header', 'values cannot contain \\r or \\n');
  let text = `NATS/1.0\r\n${MESSAGE_ID_HEADER}: ${messageId}\r\n${SUBMISSION_HEADER}: ${submission}\r\n${traceLines}`;
  if (place !== undefined) {
    text += `Nats-Batch-Id: ${place.batch}\r\nNats-Batch-Sequence: ${place.number}\r\n`;
    if (place.isLast) text += 'Nats-Batch-Commit: 1\r\n';
  }
  const bytes = Buffer.from(`${text}\r\n`);
  // Publishing uses no other method of headers.
  return { encode: () => bytes } as unknown as MsgHdrs;
}
