/** The cursor of `GET /events`: a place in the order of all events, opaque to clients, with a version to change it by. */
import type { EventPosition } from '#store';
import { problem, ProblemError } from '../problems/problem-error.js';

const FORM = /^1\.(\d{1,10})\.(\d{1,16})$/;
const STREAM_ID_MAX = 2_147_483_647;

/** Writes a position as a cursor. */
export function writeCursor(position: EventPosition): string {
  return Buffer.from(`1.${position.streamId}.${position.seq}`).toString('base64url');
}

/** Reads a cursor. Throws a 400 problem for a text that `writeCursor` never writes. */
export function readCursor(text: string): EventPosition {
  const match = FORM.exec(Buffer.from(text, 'base64url').toString('latin1'));
  const position = { streamId: Number(match?.[1]), seq: Number(match?.[2]) };
  const valid =
    match !== null && position.streamId <= STREAM_ID_MAX && position.seq <= Number.MAX_SAFE_INTEGER;
  if (valid && writeCursor(position) === text) return position;
  throw new ProblemError(
    problem(
      'invalid-cursor',
      400,
      'Take "cursor" unchanged from the Link header of an answer, or leave it out.',
      {
        parameter: 'cursor',
      },
    ),
  );
}
