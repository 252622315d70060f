import { describe, expect, it } from '@jest/globals';
import { eventIdError, payloadError, sourceError, timestampError, topicError } from '#contracts';
import type { OutgoingEvent } from '../producer.js';
import { isDated, lineEvent, nameForFile, textOfLine, topicForFile } from './line-event.js';
import { recognise } from './line-formats/recognition.js';
import { clockRules } from './line-formats/wall-clock.js';
import { type Line, LINE_BYTES_MAX, LineSplitter } from './line-splitter.js';

const origin = { name: 'app.log', topic: 'logs.app', source: 'host' };
const rules = clockRules(undefined, new Date('2026-11-22T10:00:00.000Z'));

function eventOf(...lines: Line[]): OutgoingEvent {
  const texts = lines.map(textOfLine);
  return lineEvent(texts, recognise(texts[0]?.text ?? '', 'auto'), origin, rules);
}

function lineOf(bytes: Buffer | string): Line {
  const [line] = new LineSplitter().push(Buffer.concat([Buffer.from(bytes), Buffer.from('\n')]));
  if (!line) throw new Error('no line');
  return line;
}

describe('a line of a log as an event', () => {
  it('names file, line and digest in its id', () => {
    const line = lineOf('hello');
    expect(eventOf(line)).toEqual({
      topic: 'logs.app',
      event_id: `app.log:1:${line.digest.slice(0, 16)}`,
      timestamp: '2026-11-22T10:00:00.000Z',
      source: 'host',
      payload: { file: 'app.log', line: 1, message: 'hello' },
    });
  });

  it('marks bytes that are not UTF-8 and characters that Postgres cannot hold', () => {
    const broken = eventOf(lineOf(Buffer.from([0x61, 0xff, 0x62])));
    expect(broken.payload).toMatchObject({ message: 'a\ufffdb', encoding: 'replaced' });
    expect(eventOf(lineOf('a\u0000b')).payload).toMatchObject({
      message: 'a\ufffdb',
      encoding: 'replaced',
    });
    expect(eventOf(lineOf('a\ufffdb')).payload).not.toHaveProperty('encoding');
  });

  it('is a valid event for any bytes', () => {
    for (const byte of Array.from({ length: 256 }, (_, index) => index).filter((value) => value !== 0x0a)) {
      const event = eventOf(lineOf(Buffer.alloc(5, byte)));
      expect(payloadError(event.payload, JSON.stringify(event.payload))).toBeUndefined();
    }
  });

  it('stays below the bound of an event when it is long and full of control characters', () => {
    const event = eventOf(lineOf(Buffer.alloc(LINE_BYTES_MAX + 9, 1)));
    expect(event.payload['truncated_bytes']).toBe(9);
    expect(JSON.stringify(event).length).toBeLessThan(262_144);
  });
});

describe('what a line contains', () => {
  it('becomes members, and the line itself is kept', () => {
    const text = 'Nov 22 09:59:58 web sshd[42]: Accepted';
    const event = eventOf(lineOf(text));
    expect(event.timestamp).toBe('2026-11-22T09:59:58.000000Z');
    expect(timestampError(event.timestamp)).toBeUndefined();
    expect(event.payload).toEqual({
      ...{ file: 'app.log', line: 1, message: 'Accepted', time: 'Nov 22 09:59:58' },
      ...{ host: 'web', program: 'sshd', fields: { pid: '42' }, original: text },
    });
  });

  it.each(['2026-02-30 00:00:00 x', '2026-11-22 10:00:00 CST x', '2026-11-22 10:00:00+7 x'])(
    'has no time when that is not certain: %j',
    (text) => {
      const event = eventOf(lineOf(text));
      expect(isDated(event)).toBe(false);
      expect(event.timestamp).toBe('2026-11-22T10:00:00.000Z');
      expect(event.payload['original'] ?? event.payload['message']).toBe(text);
    },
  );

  it('does not include a byte order mark at the beginning of a file, and its id does not depend on that', () => {
    const marked = lineOf('\ufeff2026-01-02T03:04:05Z first');
    expect(eventOf(marked)).toMatchObject({
      timestamp: '2026-01-02T03:04:05.000000Z',
      event_id: `app.log:1:${marked.digest.slice(0, 16)}`,
      payload: { message: 'first', original: '2026-01-02T03:04:05Z first' },
    });
    expect(eventOf({ ...marked, line: 2 }).payload['message']).toContain('\ufeff');
  });

  it('is left out where the event would be too large, and the line is kept', () => {
    const text = `{"message":"${'\\u0001'.repeat(5_000)}","time":"2026-01-02T03:04:05Z"}`;
    const event = eventOf(lineOf(text));
    expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(262_144);
    expect(event.timestamp).toBe('2026-01-02T03:04:05.000000Z');
    const control = eventOf(lineOf(`2026-01-02T03:04:05Z ERROR ${'\u0001'.repeat(32_000)}`));
    expect(Buffer.byteLength(JSON.stringify(control))).toBeLessThan(262_144);
    expect(control.payload).not.toHaveProperty('level');
    expect(String(control.payload['message'])).toContain('ERROR');
  });
});

describe('names made from a file name', () => {
  it.each([
    ['OpenSSH.log', 'logs.OpenSSH'],
    ['access.log.1', 'logs.access_log_1'],
    ['wörld wide.LOG', 'logs.w_rld_wide'],
    ['.log', 'logs.file'],
    ['日誌', 'logs._'],
    ['x'.repeat(255), `logs.${'x'.repeat(64)}`],
  ])('the topic of %j is %j', (name, topic) => {
    expect(topicForFile(name)).toBe(topic);
    expect(topicError(topic)).toBeUndefined();
  });

  it('are valid in ids and sources', () => {
    for (const name of ['a\nb', '\ud800', '😀'.repeat(200), 'plain']) {
      expect(eventIdError(`${nameForFile(name)}:9007199254740991:${'f'.repeat(16)}`)).toBeUndefined();
      expect(sourceError(nameForFile(name))).toBeUndefined();
    }
  });
});
