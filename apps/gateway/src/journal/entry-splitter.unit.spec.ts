import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ProblemError } from '../problems/problem-error.js';
import { EntrySplitter } from './entry-splitter.js';
import type { JournalEntry } from './journal-entry.js';

const ENTRY_BYTES_MAX = 1_000;

function splitterOf(chunks: Iterable<Buffer>, bytesMax = ENTRY_BYTES_MAX): EntrySplitter {
  const splitter = new EntrySplitter(bytesMax);
  for (const chunk of chunks) splitter.add(chunk);
  return splitter;
}

function entriesOf(bytes: Buffer, bytesMax = ENTRY_BYTES_MAX): readonly JournalEntry[] {
  const splitter = splitterOf([bytes], bytesMax);
  splitter.end();
  return splitter.take(100);
}

const binary = (name: string, value: Buffer): Buffer => {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), size, value, Buffer.from('\n')]);
};

function messageOf(take: () => unknown): string {
  try {
    take();
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 400) return error.message;
    throw error;
  }
  return '';
}

describe('the entries of a journal', () => {
  it('are the same, however the bytes are cut', () => {
    const field = fc.tuple(
      fc.constantFrom('MESSAGE', '_PID', 'A', 'N'.repeat(64)),
      fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
      ),
      fc.boolean(),
    );
    fc.assert(
      fc.property(
        fc.array(fc.array(field, { minLength: 1, maxLength: 5 }), { maxLength: 4 }),
        fc.array(fc.nat({ max: 60 })),
        (entries, cuts) => {
          const written = entries.map((fields) => [
            ...fields.map(([name, value, isBinary]) =>
              isBinary || value.includes(0x0a)
                ? binary(name, value)
                : Buffer.concat([Buffer.from(`${name}=`), value, Buffer.from('\n')]),
            ),
            Buffer.from('\n'),
          ]);
          const bytes = Buffer.concat(written.flat());
          const chunks: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) chunks.push(bytes.subarray(at, (at += cut)));
          const splitter = splitterOf([...chunks, bytes.subarray(at)]);
          splitter.end();
          const back = splitter
            .take(10)
            .map(({ fields }) =>
              fields.map(([name, json]) => [name, valueOf(JSON.parse(json) as string | { base64: string })]),
            );
          expect(back).toEqual(
            entries.map((fields) => fields.map(([name, value]) => [name, value.toString('hex')])),
          );
          expect([splitter.lines, splitter.heldBytes, splitter.hasLines]).toEqual([entries.length, 0, false]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keep binary values, and lose only those that are too large', () => {
    const [entry, second] = entriesOf(
      Buffer.concat([
        Buffer.from('__CURSOR=c\n'),
        binary('BINARY', Buffer.from([0, 255])),
        binary('COREDUMP', Buffer.alloc(200)),
        Buffer.from(`LONG=${'x'.repeat(5_000)}\nEMPTY=\nMESSAGE=last\n\n\n\n__CURSOR=d\n\n`),
      ]),
      150,
    );
    expect(entry?.fields).toEqual([
      ['__CURSOR', '"c"'],
      ['BINARY', '{"base64":"AP8="}'],
      ['COREDUMP', 'null'],
      ['LONG', 'null'],
      ['EMPTY', '""'],
      ['MESSAGE', '"last"'],
    ]);
    expect(second).toMatchObject({ index: 1, fields: [['__CURSOR', '"d"']] });
  });

  it('are given up where the bytes are no entries, behind those before', () => {
    const broken: [string, Buffer][] = [
      ['a line without a name', Buffer.from('=x\n\n')],
      ['a name with a blank', Buffer.from('A B=x\n\n')],
      ['a name that is too long', Buffer.from(`${'A'.repeat(65)}=x\n\n`)],
      ['a long line without a name', Buffer.from(`${'A'.repeat(5_000)}\n\n`)],
      ['a size of exabytes', Buffer.concat([Buffer.from('A\n'), Buffer.alloc(8, 0xff)])],
      ['a value behind its size', Buffer.concat([Buffer.from('A\n'), Buffer.alloc(8), Buffer.from('x\n\n')])],
      ['too many fields', Buffer.from(`${'A=\n'.repeat(1_025)}\n`)],
    ];
    for (const [what, bytes] of broken) {
      const splitter = splitterOf([Buffer.from('B=1\n\n'), bytes, Buffer.from('C=1\n\n')]);
      expect([what, splitter.take(10).length, splitter.hasLines]).toEqual([what, 1, true]);
      expect([what, messageOf(() => splitter.take(10))]).toEqual([
        what,
        expect.stringMatching(/^The body is not in the Journal Export Format: .+ were published\.$/),
      ]);
    }
    for (const bytes of ['A=1\n', 'A=1', 'A\n', 'A\n\x01']) {
      expect([bytes, messageOf(() => entriesOf(Buffer.from(bytes)))]).toEqual([
        bytes,
        expect.stringContaining('the upload ends within an entry'),
      ]);
    }
  });

  it('hold no more than their bound, also when they never end', () => {
    const splitter = new EntrySplitter(10_000);
    const chunk = Buffer.alloc(1_048_576, 0x78);
    const before = process.memoryUsage().arrayBuffers;
    splitter.add(Buffer.from('__CURSOR=c\nLONG='));
    for (let megabytes = 0; megabytes < 256; megabytes++) splitter.add(chunk);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1_048_576);
    splitter.add(Buffer.from('\n\n'));
    expect(splitter.take(1)).toMatchObject([
      {
        fields: [
          ['__CURSOR', '"c"'],
          ['LONG', 'null'],
        ],
      },
    ]);
  });
});

function valueOf(value: string | { base64: string }): string {
  return (typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.base64, 'base64')).toString(
    'hex',
  );
}
