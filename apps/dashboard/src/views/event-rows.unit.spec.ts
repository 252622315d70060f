/** Rows of events stay newest first and single, however pages and the stream overlap. */
import { describe, expect, it } from '@jest/globals';
import { hasRow, withRows } from './event-rows.js';

interface Row {
  readonly seq: number;
  readonly published_at: string;
}

const row = (seq: number, second = seq): Row => ({
  seq,
  published_at: `2026-11-28T10:00:${String(second).padStart(2, '0')}.000000Z`,
});
const seqs = (rows: readonly Row[]): number[] => rows.map(({ seq }) => seq);

describe('rows of events', () => {
  it('leave out what they have, and put what came late in its place', () => {
    const page = withRows([], [row(9), row(8), row(6)]);
    expect(seqs(withRows(page, [row(6), row(7), row(9), row(10)]))).toEqual([10, 9, 8, 7, 6]);
  });

  it('take a page of older ones that overlaps with what the stream brought', () => {
    const live = withRows([row(9), row(8)], [row(5)]);
    expect(seqs(withRows(live, [row(7), row(6), row(5), row(4)]))).toEqual([9, 8, 7, 6, 5, 4]);
  });

  it('keep apart events with one sequence, of a stream that was created again', () => {
    const rows = withRows([row(9, 10), row(1, 2)], [row(1, 20), row(2, 21)]);
    expect(seqs(rows)).toEqual([2, 1, 9, 1]);
    expect(hasRow(rows, row(1, 20))).toBe(true);
    expect(hasRow(rows, row(1, 3))).toBe(false);
  });

  it('order events of one microsecond by their sequence', () => {
    expect(seqs(withRows([row(2, 1)], [row(1, 1), row(3, 1)]))).toEqual([3, 2, 1]);
  });
});
