/** The cursor of a story: a place in the order of its entries. It is opaque to clients, and has a version. */
import type { StoryPosition } from '#store';
import { problem, ProblemError } from '../problems/problem-error.js';

const FORM =
  /^1\.(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z)\.(\d)\.(\d{1,9})\.(\d{1,16})\.(\d{1,9})$/;
const LENGTH_MAX = 200;

/** Writes a position as a cursor. */
export function writeCursor({ at, rank, streamId, seq, number }: StoryPosition): string {
  return Buffer.from(`1.${at}.${rank}.${streamId}.${seq}.${number}`).toString('base64url');
}

/** Reads a cursor. Throws a 400 problem for a text that `writeCursor` never writes. */
export function readCursor(text: string): StoryPosition {
  const match =
    text.length < LENGTH_MAX ? FORM.exec(Buffer.from(text, 'base64url').toString('latin1')) : null;
  if (match !== null) {
    const [, at = '', rank, streamId, seq, number] = match;
    const position = {
      at,
      rank: Number(rank),
      streamId: Number(streamId),
      seq: Number(seq),
      number: Number(number),
    };
    if (position.seq <= Number.MAX_SAFE_INTEGER && writeCursor(position) === text) return position;
  }
  const detail = 'Take "cursor" unchanged from the Link header of an answer, or leave it out.';
  throw new ProblemError(problem('invalid-cursor', 400, detail, { parameter: 'cursor' }));
}
