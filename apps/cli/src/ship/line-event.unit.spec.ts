import { describe, expect, it } from '@jest/globals';
import { eventIdError, payloadError, sourceError, timestampError, topicError } from '#contracts';
import { lineEvent, lineTimestamp, nameForFile, topicForFile } from './line-event.js';
import { type Line, LINE_BYTES_MAX, LineSplitter } from './line-splitter.js';

const origin = {
  name: 'app.log',
  topic: 'logs.app',
  source: 'host',
  modified: new Date('2026-11-22T10:00:00.000Z'),
};

function lineOf(bytes: Buffer | string): Line {
  const [line] = new LineSplitter().push(Buffer.concat([Buffer.from(bytes), Buffer.from('\n')]));
  if (!line) throw new Error('no line');
  return line;
}

describe('a line of a log as an event', () => {
  it('names file, line and digest in its id', () => {
    const line = lineOf('hello');
    expect(lineEvent(line, origin)).toEqual({
      topic: 'logs.app',
      event_id: `app.log:1:${line.digest.slice(0, 16)}`,
      timestamp: '2026-11-22T10:00:00.000Z',
      source: 'host',
      payload: { file: 'app.log', line: 1, message: 'hello' },
    });
  });

  it('marks bytes that are not UTF-8 and characters that Postgres cannot hold', () => {
    const broken = lineEvent(lineOf(Buffer.from([0x61, 0xff, 0x62])), origin);
    expect(broken.payload).toMatchObject({ message: 'a\ufffdb', encoding: 'replaced' });
    expect(lineEvent(lineOf('a\u0000b'), origin).payload).toMatchObject({
      message: 'a\ufffdb',
      encoding: 'replaced',
    });
    expect(lineEvent(lineOf('a\ufffdb'), origin).payload).not.toHaveProperty('encoding');
  });

  it('is a valid event for any bytes', () => {
    for (const byte of Array.from({ length: 256 }, (_, index) => index).filter((value) => value !== 0x0a)) {
      const event = lineEvent(lineOf(Buffer.alloc(5, byte)), origin);
      expect(payloadError(event.payload, JSON.stringify(event.payload))).toBeUndefined();
    }
  });

  it('stays below the bound of an event when it is long and full of control characters', () => {
    const event = lineEvent(lineOf(Buffer.alloc(LINE_BYTES_MAX + 9, 1)), origin);
    expect(event.payload['truncated_bytes']).toBe(9);
    expect(JSON.stringify(event).length).toBeLessThan(262_144);
  });
});

describe('the timestamp of a line', () => {
  it.each([
    ['2015-07-29 17:41:44,747 - INFO', '2015-07-29T17:41:44.747000Z'],
    ['2026-01-02T03:04:05Z up', '2026-01-02T03:04:05.000000Z'],
    ['[2026-01-02T03:04:05.678901234+07:00] up', '2026-01-01T20:04:05.678901Z'],
    ['2026-01-02 03:04:05-0330', '2026-01-02T06:34:05.000000Z'],
  ])('is read from %j', (message, timestamp) => {
    expect(lineTimestamp(message)).toBe(timestamp);
    expect(timestampError(timestamp)).toBeUndefined();
  });

  it.each(['081109 203615 148 INFO', 'Dec 10 06:55:46 LabSZ', '2026-02-30 00:00:00 x', '2026-01-02', ''])(
    'is not read from %j',
    (message) => {
      expect(lineTimestamp(message)).toBeUndefined();
    },
  );
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
