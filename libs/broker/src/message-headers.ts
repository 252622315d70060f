/**
 * The headers of a message, written once.
 *
 * The client's own headers look every name and value up and over for each message; these names are ours. New ones for every
 * try: the client writes into headers it is given again, and an old id in them loses the message.
 */
import { errors, type MsgHdrs } from '@nats-io/nats-core';
import { MESSAGE_ID_HEADER, SUBMISSION_HEADER } from '#contracts';

/** The place of a message among those that the brokers take all together or not at all. */
export interface BatchPlace {
  readonly batch: string;
  /** From 1. */
  readonly number: number;
  /** The last one has the batch taken. */
  readonly isLast: boolean;
}

const LINE_BREAK = /[\r\n]/;

/**
 * @throws `InvalidArgumentError` when the message id holds a line break, which would end the header
 */
export function messageHeaders(messageId: string, submission: string, place?: BatchPlace): MsgHdrs {
  if (LINE_BREAK.test(messageId))
    throw errors.InvalidArgumentError.format('header', 'values cannot contain \\r or \\n');
  let text = `NATS/1.0\r\n${MESSAGE_ID_HEADER}: ${messageId}\r\n${SUBMISSION_HEADER}: ${submission}\r\n`;
  if (place !== undefined) {
    text += `Nats-Batch-Id: ${place.batch}\r\nNats-Batch-Sequence: ${place.number}\r\n`;
    if (place.isLast) text += 'Nats-Batch-Commit: 1\r\n';
  }
  const bytes = Buffer.from(`${text}\r\n`);
  // All that publishing asks of headers.
  return { encode: () => bytes } as unknown as MsgHdrs;
}
