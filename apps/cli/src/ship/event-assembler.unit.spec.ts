import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EVENT_LINES_MAX, EventAssembler, type ReadingRules } from './event-assembler.js';
import { LinePattern } from './line-formats/line-pattern.js';
import { LINE_BYTES_MAX, LineSplitter } from './line-splitter.js';

const origin = { name: 'app.log', topic: 'logs.app', source: 'host' };
const modified = new Date('2026-11-28T10:00:00Z');
const TRACE = [
  '2026-11-22 10:00:00 ERROR it failed',
  'java.lang.IllegalStateException: no',
  '\tat com.foo.Bar(Bar.java:12)',
  'Caused by: x',
  '2026-11-22 10:00:01 INFO next',
];

function assemble(lines: readonly string[], rules: Partial<ReadingRules> = {}, perPush = lines.length) {
  const assembler = new EventAssembler({ format: 'auto', multiline: true, ...rules }, origin);
  const split = new LineSplitter().push(Buffer.from(lines.map((line) => `${line}\n`).join('')));
  const events = [];
  for (let at = 0; at < split.length; at += perPush) {
    events.push(...assembler.push(split.slice(at, at + perPush), modified));
  }
  const open = assembler.openLines;
  const last = assembler.finish();
  return { events: last ? [...events, last] : events, open };
}

const messages = (lines: readonly string[], rules: Partial<ReadingRules> = {}): unknown[] =>
  assemble(lines, rules).events.map(({ event }) => event.payload['message']);

describe('joining lines', () => {
  it('makes a stack trace one event, whose last lines may still come', () => {
    const { events, open } = assemble(TRACE);
    expect(open).toBe(1);
    expect(events.map(({ lines }) => lines)).toEqual([4, 1]);
    expect(events[0]?.event.payload).toMatchObject({
      ...{ line: 1, lines: 4, level: 'error', message: ['it failed', ...TRACE.slice(1, 4)].join('\n') },
      original: TRACE.slice(0, 4).join('\n'),
    });
    expect(events[0]?.event.timestamp).toBe('2026-11-22T10:00:00.000000Z');
  });

  it('does not change the id of a line that begins an event', () => {
    const ids = (multiline: boolean) =>
      assemble(TRACE, { multiline }).events.map(({ event }) => event.event_id);
    const [single, joined] = [ids(false), ids(true)];
    expect(single).toHaveLength(5);
    expect(joined).toEqual([single[0], single[4]]);
  });

  it('begins an event where --start or --pattern match, if there is one', () => {
    expect(messages(['- a', 'b', '- c'], { start: new LinePattern('^- ') })).toEqual(['- a\nb', '- c']);
    const pattern = new LinePattern('^- (?<message>.*)');
    expect(messages(['- a', 'b', '- c'], { pattern })).toEqual(['a\nb', 'c']);
    expect(messages(['- a', 'b'], { pattern, multiline: false })).toEqual(['a', 'b']);
  });

  it('is bounded in lines and in bytes, and loses none', () => {
    const many = Array.from({ length: EVENT_LINES_MAX + 5 }, (_, n) => ` ${n}`);
    expect(assemble(many).events.map(({ lines }) => lines)).toEqual([EVENT_LINES_MAX, 5]);
    const wide = Array.from({ length: 5 }, () => `\t${'x'.repeat(LINE_BYTES_MAX / 2 - 1)}`);
    expect(assemble(wide).events.map(({ lines }) => lines)).toEqual([1, 1, 1, 1, 1]);
    for (const { event } of assemble(wide).events)
      expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(262_144);
  });

  it('gives the same events for any division into groups, and every line once', () => {
    const line = fc.constantFrom(...TRACE, '', 'x', '{"msg":"y"}');
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), fc.integer({ min: 1, max: 7 }), (lines, perPush) => {
        const { events } = assemble(lines, {}, perPush);
        expect(events.map(({ event }) => event)).toEqual(assemble(lines).events.map(({ event }) => event));
        const all = events.map(({ event }) => event.payload['original'] ?? event.payload['message']);
        expect(all.join('\n')).toBe(lines.join('\n'));
      }),
    );
  });
});
