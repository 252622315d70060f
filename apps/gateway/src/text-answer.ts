/** Answers that are JSON text already. Their room is released when the client has them, or is gone. */
import type { FastifyReply } from 'fastify';
import type { AnswerHeaders } from './problems/problem-error.js';

/** JSON text with its headers. */
export interface Answer {
  readonly text: string;
  readonly headers: AnswerHeaders;
  /** The media type; JSON when left out. */
  readonly type?: string;
  /** Releases the room of the text. Call it when the text was sent, or the client no longer waits for it. */
  readonly release?: () => void;
}

/** How long a client may take to read one answer. Then the connection is cut, and its room is released. */
const TAKEN_MS_MAX = 120_000;

/** Sends an answer. */
export async function sendText(
  reply: FastifyReply,
  { text, headers, type = 'application/json', release }: Answer,
): Promise<void> {
  if (release !== undefined) whenTaken(reply, release);
  await reply.headers(headers).header('content-type', `${type}; charset=utf-8`).send(text);
}

/** The query of a URL, without its `?`. */
export function queryString(url: string): string {
  const start = url.indexOf('?');
  return start === -1 ? '' : url.slice(start + 1);
}

function whenTaken(reply: FastifyReply, release: () => void): void {
  if (reply.raw.destroyed) {
    release();
    return;
  }
  const late = setTimeout(() => reply.raw.destroy(), TAKEN_MS_MAX);
  reply.raw.once('close', () => {
    clearTimeout(late);
    release();
  });
}
