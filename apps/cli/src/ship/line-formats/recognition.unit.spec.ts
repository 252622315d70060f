import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RecognisedLine } from './recognised-line.js';
import { type FormatName, recognise } from './recognition.js';
import { clockRules, instantOf } from './wall-clock.js';

const README = join(dirname(fileURLToPath(import.meta.url)), '../../../README.md');
const rules = clockRules(undefined, new Date('2026-11-28T10:00:00Z'));

function instant({ time }: RecognisedLine): string | undefined {
  return time && instantOf(time.clock, rules);
}

const TABLE = /(<!-- formats -->)([^]*?)(<!-- \/formats -->)/;
/** A row of the page: who writes it, a line, what becomes of it. */
const ROW = /( \| `)(.*)(` \| )(.*)( \|)$/gm;

function rowsOfReadme(): { line: string; result: string }[] {
  const [, , table = ''] = TABLE.exec(readFileSync(README, 'utf8')) ?? [];
  return [...table.matchAll(ROW)].map(([, , line = '', , result = '']) => ({ line, result }));
}

function updateReadme(): void {
  const withResults = (table: string): string =>
    table.replaceAll(ROW, (_, a: string, line: string, b: string, _old: string, end: string) =>
      [a, line, b, described(line), end].join(''),
    );
  const text = readFileSync(README, 'utf8');
  writeFileSync(
    README,
    text.replace(TABLE, (_, begin: string, table: string, end: string) => begin + withResults(table) + end),
  );
}

/** What the page says of a line: time, level, host and program. */
function described(line: string): string {
  const recognised = recognise(line, 'auto');
  const { level, host, program } = recognised;
  const time = instant(recognised)?.replace(/\.?0+Z$/, 'Z');
  return [
    time ?? 'the time of the file',
    ...[level, host, program].filter((part) => part !== undefined),
  ].join(', ');
}

if (process.env['UPDATE_README'] === '1') updateReadme();

describe('the table of the page', () => {
  it('says what becomes of each line', () => {
    const rows = rowsOfReadme();
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.map(({ line }) => `${line} → ${described(line)}`)).toEqual(
      rows.map(({ line, result }) => `${line} → ${result}`),
    );
  });
});

describe('lines of real systems', () => {
  it.each<[string, string, Partial<RecognisedLine>]>([
    [
      '081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_1 terminating',
      '2008-11-09T20:36:15.000000Z',
      {
        ...{ level: 'info', program: 'dfs.DataNode$PacketResponder', fields: { pid: '148' } },
        message: 'PacketResponder 1 for block blk_1 terminating',
      },
    ],
    [
      'Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 10.0.0.1',
      '2025-12-10T06:55:46.000000Z',
      {
        ...{ host: 'LabSZ', program: 'sshd', fields: { pid: '24200' } },
        message: 'Invalid user webmaster from 10.0.0.1',
      },
    ],
    [
      '2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181:FastLeaderElection@774] - Notification',
      '2015-07-29T17:41:44.747000Z',
      {
        ...{ level: 'info', program: 'FastLeaderElection', message: 'Notification' },
        fields: { thread: 'QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181', line: '774' },
      },
    ],
  ])('%s', (line, time, parts) => {
    const recognised = recognise(line, 'auto');
    expect(instant(recognised)).toBe(time);
    expect(recognised).toMatchObject(parts);
  });

  it.each([
    'just text',
    '   at com.foo.Bar(Bar.java:12)',
    '{"message":"x"} trailing',
    'a=1 b',
    '<999>x',
    '',
    '{',
  ])('%j is only text', (line) => {
    expect(recognise(line, 'auto')).toEqual({ message: line });
  });

  it('are read in one format only, if that is named', () => {
    const line = '{"level":"info","msg":"x"}';
    expect(recognise(line, 'json').message).toBe('x');
    for (const format of ['syslog', 'access', 'logfmt', 'dated', 'plain'] as const)
      expect(recognise(line, format)).toEqual({ message: line });
  });

  it('never throw, and take time in proportion to their length', () => {
    const pieces = fc.constantFrom(
      '[',
      ']',
      '"',
      '\\',
      ' ',
      ':',
      '-',
      '2026-11-22 10:00:00',
      'Nov 22 10:00:00',
      'a=',
      '{',
      '<1>1 ',
      'x',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        expect(typeof recognise(parts.join(''), 'auto').message).toBe('string');
      }),
    );
    const long = ['[', '"', ':x', 'a=b ', '\\"', ' -', '(', '=', '1 '].flatMap((piece) =>
      [
        '',
        '2026-11-22 10:00:00 ',
        '<34>1 ',
        'Nov 22 10:00:00 h p',
        'h - - [22/Nov/2026:10:00:00 +0000] "',
      ].map((start) => (start + piece.repeat(32_768)).slice(0, 32_768)),
    );
    const timed = (lines: readonly string[]): number => {
      const rounds = [1, 2, 3].map(() => {
        const startedAt = performance.now();
        for (const line of lines) recognise(line, 'auto');
        return performance.now() - startedAt;
      });
      return Math.min(...rounds);
    };
    const shorter = timed(long.map((line) => line.slice(0, 8_192)));
    // Four times the length would take sixteen times as long, or more, if any expression were quadratic.
    expect(timed(long)).toBeLessThan(10 * Math.max(shorter, 5));
  });
});

describe('what is written in a format is read back', () => {
  const text = fc.string({ maxLength: 40 });
  const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,15}$/);

  it('JSON, without a digit lost', () => {
    const names = fc.stringMatching(/^f_[a-z]{1,8}$/);
    fc.assert(
      fc.property(
        text,
        fc.dictionary(names, fc.oneof(text, fc.integer(), fc.boolean())),
        word,
        (message, fields, host) => {
          const line = JSON.stringify({
            time: '2026-11-22T10:00:00.000001Z',
            level: 'WARN',
            host,
            msg: message,
            ...fields,
          });
          const read = recognise(line, 'auto');
          const storable = message.replaceAll('\u0000', '\ufffd').replace(/\r?\n$/, '');
          expect(read).toMatchObject({ level: 'warn', host, message: storable });
          expect(Object.keys(read.fields ?? {}).sort()).toEqual(Object.keys(fields).sort());
          expect(instant(read)).toBe('2026-11-22T10:00:00.000001Z');
        },
      ),
    );
    const exact = recognise(
      '{"msg":"x","id":12345678901234567890,"price":1.50,"big":1e300,"s":"\\u0000"}',
      'auto',
    );
    expect(exact.fields).toEqual({ id: '12345678901234567890', price: 1.5, big: '1e300', s: '\ufffd' });
  });

  it('logfmt', () => {
    const quoted = (value: string): string =>
      `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}"`;
    fc.assert(
      fc.property(text, text, (message, value) => {
        const line = `level=error msg=${quoted(message)} f_x=${quoted(value)}`;
        const read = recognise(line, 'auto');
        expect(read).toMatchObject({ level: 'error', fields: { f_x: value } });
        expect(read.message).toBe(message.replace(/\r?\n$/, ''));
      }),
    );
  });

  it('syslog of RFC 5424', () => {
    const escaped = (value: string): string => value.replaceAll(/["\\\]]/g, '\\$&');
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 191 }),
        word,
        word,
        text,
        text,
        (priority, host, program, value, message) => {
          const line = `<${priority}>1 2026-11-22T10:00:00.123Z ${host} ${program} 42 - [x@1 v="${escaped(value)}"] ${message}`;
          const read = recognise(line, 'auto');
          expect(read).toMatchObject({ host, program, message });
          expect(read.fields).toEqual({
            ...{ facility: String(priority >> 3), pid: '42', structured_data: { 'x@1': { v: value } } },
          });
          expect(instant(read)).toBe('2026-11-22T10:00:00.123000Z');
        },
      ),
    );
  });

  it('access logs', () => {
    const inQuotes = fc.stringMatching(/^[ !#-[\]-~]{1,40}$/);
    fc.assert(
      fc.property(
        fc.ipV6(),
        inQuotes,
        inQuotes,
        fc.integer({ min: 100, max: 599 }),
        (client, path, agent, status) => {
          const request = `GET /${path.replaceAll(' ', '+')} HTTP/1.1`;
          const line = `${client} - - [22/Nov/2026:10:00:00 +0700] "${request}" ${status} 5 "-" "${agent}"`;
          const read = recognise(line, 'auto');
          expect(read.message).toBe(request);
          expect(read.fields).toMatchObject({ client, status: String(status), method: 'GET' });
          expect(instant(read)).toBe('2026-11-22T03:00:00.000000Z');
        },
      ),
    );
  });

  it('the same with and without the name of the format', () => {
    const lines: [FormatName, string][] = [
      ['syslog', 'Nov 22 10:00:00 web sshd[42]: x'],
      ['dated', '2026-11-22 10:00:00 INFO x'],
      ['logfmt', 'level=info msg=x'],
    ];
    for (const [format, line] of lines) expect(recognise(line, format)).toEqual(recognise(line, 'auto'));
  });
});
