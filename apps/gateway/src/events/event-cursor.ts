/**
 * The cursor of `GET /events`: a place in the order of all events. It is opaque to clients, and has a version so that
 * it can change.
 */
import { SEEN_RANGES_MAX, type EventPosition, type SequenceRange } from '#store';
import { problem, ProblemError } from '../problems/problem-error.js';

/**
 * The form without, and with, ranges of sequences beyond the position. Each range has its distance from the previous
 * one, and its length.
 */
const FORM =
  /^(?:1\.(\d{1,10})\.(\d{1,16})|2\.(\d{1,10})\.(\d{1,16})\.([0-9a-z]+-[0-9a-z]+(?:,[0-9a-z]+-[0-9a-z]+)*))$/;
const STREAM_ID_MAX = 2_147_483_647;
const CURSOR_LENGTH_MAX = 8_192;

/** Writes a position as a cursor. */
export function writeCursor({ streamId, seq, seen = [] }: EventPosition): string {
  const text = seen.length === 0 ? `1.${streamId}.${seq}` : `2.${streamId}.${seq}.${rangesText(seq, seen)}`;
  return Buffer.from(text).toString('base64url');
}

/** Reads a cursor. Throws a 400 problem for a text that `writeCursor` never writes. */
export function readCursor(text: string): EventPosition {
  const position = text.length <= CURSOR_LENGTH_MAX ? positionIn(text) : undefined;
  if (position !== undefined && isValid(position) && writeCursor(position) === text) return position;
  throw wrongCursor();
}

const BACKWARD_FORM = /^3\.(\d{1,10})\.(\d{1,16})$/;

/** Writes the position before which the next page ends, of pages with the newest event first. */
export function writeBackwardCursor({ streamId, seq }: EventPosition): string {
  return Buffer.from(`3.${streamId}.${seq}`).toString('base64url');
}

/** Reads such a cursor. Throws a 400 problem for a text that `writeBackwardCursor` never writes. */
export function readBackwardCursor(text: string): EventPosition {
  const match = BACKWARD_FORM.exec(Buffer.from(text.slice(0, 64), 'base64url').toString('latin1'));
  const position = { streamId: Number(match?.[1]), seq: Number(match?.[2]) };
  if (match !== null && isValid(position) && writeBackwardCursor(position) === text) return position;
  throw wrongCursor();
}

function wrongCursor(): ProblemError {
  const detail =
    'Take "cursor" unchanged from the Link or Sekali-Cursor header of an answer of the same order, or leave it out.';
  return new ProblemError(problem('invalid-cursor', 400, detail, { parameter: 'cursor' }));
}

function positionIn(text: string): EventPosition | undefined {
  const match = FORM.exec(Buffer.from(text, 'base64url').toString('latin1'));
  if (match === null) return undefined;
  const [, streamId, seq, streamIdBefore, seqBefore, ranges] = match;
  if (ranges === undefined) return { streamId: Number(streamId), seq: Number(seq) };
  const position = { streamId: Number(streamIdBefore), seq: Number(seqBefore) };
  return { ...position, seen: rangesIn(position.seq, ranges) };
}

function isValid({ streamId, seq, seen = [] }: EventPosition): boolean {
  return (
    streamId <= STREAM_ID_MAX &&
    seq <= Number.MAX_SAFE_INTEGER &&
    seen.length <= SEEN_RANGES_MAX &&
    // Ranges that touch are joined, and only the first may start right after the position.
    seen.every(([first], index) => first > (seen[index - 1]?.[1] ?? seq - 1) + 1) &&
    (seen.at(-1)?.[1] ?? 0) <= Number.MAX_SAFE_INTEGER
  );
}

function rangesText(seq: number, ranges: readonly SequenceRange[]): string {
  let before = seq;
  return ranges
    .map(([first, last]) => {
      const text = `${(first - before).toString(36)}-${(last - first).toString(36)}`;
      before = last;
      return text;
    })
    .join(',');
}

function rangesIn(seq: number, text: string): SequenceRange[] {
  let before = seq;
  return text.split(',').map((range) => {
    const [skipped = 0, length = 0] = range.split('-').map((number) => Number.parseInt(number, 36));
    const first = before + skipped;
    before = first + length;
    return [first, before];
  });
}
