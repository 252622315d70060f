import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FILE_START, type Line, LINE_BYTES_MAX, type LinePosition, LineSplitter } from './line-splitter.js';

function split(content: Buffer, chunkBytes = content.length, from: LinePosition = FILE_START): Line[] {
  const splitter = new LineSplitter(from);
  const lines: Line[] = [];
  for (let at = from.offset; at < content.length; at += Math.max(1, chunkBytes)) {
    lines.push(...splitter.push(content.subarray(at, at + Math.max(1, chunkBytes))));
  }
  const last = splitter.finish();
  return last ? [...lines, last] : lines;
}

const text = (lines: readonly Line[]) => lines.map((line) => line.bytes.toString('utf8'));

describe('cutting a file into lines', () => {
  it('removes newline and carriage return, keeps empty lines, and counts from 1', () => {
    const lines = split(Buffer.from('one\r\n\ntwo\r\r\n \nthree'));
    expect(text(lines)).toEqual(['one', '', 'two\r', ' ', 'three']);
    expect(lines.map((line) => line.line)).toEqual([1, 2, 3, 4, 5]);
    expect(lines.map((line) => line.offset)).toEqual([5, 6, 12, 14, 19]);
  });

  it('finds no line in an empty file, nor after a last newline', () => {
    expect(split(Buffer.from(''))).toEqual([]);
    expect(text(split(Buffer.from('a\n')))).toEqual(['a']);
  });

  it('says how much of an unfinished line there is', () => {
    const splitter = new LineSplitter();
    splitter.push(Buffer.from('done\nnot do'));
    expect(splitter.unfinishedBytes).toBe(6);
    expect(text(splitter.push(Buffer.from('ne\n')))).toEqual(['not done']);
    expect(splitter.unfinishedBytes).toBe(0);
  });

  it('gives the same lines for any division into chunks', () => {
    const content = fc.string({ unit: fc.constantFrom('a', 'é', '\n', '\r', '\u0000') });
    fc.assert(
      fc.property(content, fc.integer({ min: 1, max: 5 }), (written, chunkBytes) => {
        const bytes = Buffer.from(written);
        expect(split(bytes, chunkBytes)).toEqual(split(bytes));
      }),
    );
  });

  it('continues after any line as if it had read the whole file', () => {
    const bytes = Buffer.from('a\nbb\n\nccc\nd');
    const whole = split(bytes);
    for (const [index, line] of whole.entries())
      expect(split(bytes, 3, line)).toEqual(whole.slice(index + 1));
  });

  it('keeps the beginning of a line that is too long, up to a whole character, and digests all of it', () => {
    const long = `${'x'.repeat(LINE_BYTES_MAX - 1)}é`;
    const [line] = split(Buffer.from(`${long}tail\n`), 1_000);
    expect(line?.bytes).toHaveLength(LINE_BYTES_MAX - 1);
    expect(line?.truncatedBytes).toBe('é'.length + 1 + 'tail'.length);
    const [other] = split(Buffer.from(`${long}tale\n`), 1_000);
    expect(other?.digest).not.toBe(line?.digest);
    expect(split(Buffer.from('y'.repeat(LINE_BYTES_MAX)))[0]?.truncatedBytes).toBe(0);
  });
});

describe('the digest of a line', () => {
  it('distinguishes equal lines in different places', () => {
    const digests = split(Buffer.from('same\nsame\nsame\n')).map((line) => line.digest);
    expect(new Set(digests).size).toBe(3);
  });

  it('differs between two files from the first line on that differs', () => {
    const before = split(Buffer.from('banner\nmonday\nend\n')).map((line) => line.digest);
    const after = split(Buffer.from('banner\ntuesday\nend\n')).map((line) => line.digest);
    expect(before.map((digest, index) => digest === after[index])).toEqual([true, false, false]);
  });

  it('does not change when the file grows', () => {
    const before = split(Buffer.from('a\nb\n'));
    expect(split(Buffer.from('a\nb\nc\n')).slice(0, 2)).toEqual(before);
  });
});
