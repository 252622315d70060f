/** The cursor of dead letters: a place in their order. It is opaque to clients, and has a version. */
import type { DeadLetterPosition } from '#store';
import { problem, ProblemError } from '../problems/problem-error.js';

const FORM = /^1\.([a-z][a-z0-9_]{0,30})\.(\d{1,10})\.(\d{1,16})$/;
const STREAM_ID_MAX = 2_147_483_647;

/** Writes a position as a cursor. */
export function writeCursor({ consumer, streamId, seq }: DeadLetterPosition): string {
  return Buffer.from(`1.${consumer}.${streamId}.${seq}`).toString('base64url');
}

/** Reads a cursor. Throws a 400 problem for a text that `writeCursor` never writes. */
export function readCursor(text: string): DeadLetterPosition {
  const match = text.length < 200 ? FORM.exec(Buffer.from(text, 'base64url').toString('latin1')) : null;
  if (match !== null) {
    const [, consumer = '', streamId, seq] = match;
    const position = { consumer, streamId: Number(streamId), seq: Number(seq) };
    const isInBounds = position.streamId <= STREAM_ID_MAX && position.seq <= Number.MAX_SAFE_INTEGER;
    if (isInBounds && writeCursor(position) === text) return position;
  }
  const detail = 'Take "cursor" unchanged from an answer, or leave it out.';
  throw new ProblemError(problem('invalid-cursor', 400, detail, { parameter: 'cursor' }));
}
