import { describe, expect, it } from '@jest/globals';
import { readWrittenEvent, type SekaliEvent } from '#contracts';
import { storedText } from '../publish/stored-text.js';
import type { JournalField } from './journal-entry.js';
import { JournalEvents } from './journal-event.js';

const NOW_MS = Date.UTC(2026, 10, 22, 10);
const CURSOR = 's=7af1fd9231194f1582b562882e168215;i=1;b=0;m=3e8;t=660da8a536a40;x=4d052043d1f9282';

/** @param fields names and values in turn */
function eventOf(
  fields: readonly (readonly [string, string | Buffer])[],
  topic?: string,
  bytesMax = 262_144,
): SekaliEvent {
  const events = new JournalEvents({ topic, source: 'journal' }, bytesMax, () => NOW_MS);
  const written = fields.map(([name, value]): JournalField => [name, storedText(Buffer.from(value))]);
  const checked = events.check({ index: 0, size: 0, fields: written });
  const event = checked.valid ? readWrittenEvent(checked.body) : undefined;
  if (event === undefined) throw new Error(JSON.stringify(checked));
  return event;
}

describe('an entry of a journal', () => {
  it('has its cursor as id, its own time to the microsecond, and its machine as source', () => {
    const event = eventOf([
      ['__CURSOR', CURSOR],
      ['__REALTIME_TIMESTAMP', '1795341600123456'],
      ['_HOSTNAME', 'web-1'],
      ['_MACHINE_ID', '0123456789abcdef0123456789abcdef'],
      ['MESSAGE', 'ready'],
      ['_SYSTEMD_UNIT', 'web.service'],
    ]);
    expect(event).toMatchObject({
      topic: 'logs.web',
      eventId: CURSOR,
      timestamp: '2026-11-22T10:00:00.123456Z',
      source: 'web-1/0123456789abcdef0123456789abcdef',
    });
  });

  it.each([
    ['a service', 'nginx.service', 'x', 'logs.nginx'],
    ['an instance of a service', 'getty@tty1.service', 'x', 'logs.getty'],
    ['a unit that is not a service', 'session-4.scope', 'sshd', 'logs.sshd'],
    ['a service of one run', 'run-r0a1b2.service', 'backup', 'logs.backup'],
    ['the kernel', undefined, 'kernel', 'logs.kernel'],
    ['a program with a strange name', undefined, 'a/b c', 'logs.a_b_c'],
    ['no program', undefined, undefined, 'logs.journal'],
  ])('of %s has the topic of it', (_of, unit, identifier, topic) => {
    const fields = [
      ...(unit === undefined ? [] : [['_SYSTEMD_UNIT', unit] as const]),
      ...(identifier === undefined ? [] : [['SYSLOG_IDENTIFIER', identifier] as const]),
    ];
    expect(eventOf(fields).topic).toBe(topic);
    expect(eventOf(fields, 'logs.all').topic).toBe('logs.all');
  });

  it('keeps every value of a name, and every byte of a binary one', () => {
    const { payload } = eventOf([
      ['OBJECT', 'one'],
      ['MESSAGE', Buffer.from([0x61, 0, 0xff])],
      ['OBJECT', 'two'],
      ['__proto__', 'x'],
    ]);
    expect(payload).toBe('{"OBJECT":["one","two"],"MESSAGE":{"base64":"YQD/"},"__proto__":"x"}');
  });

  it('has null for the largest values where it is too large, and no other', () => {
    const { payload } = eventOf(
      [
        ['MESSAGE', 'small'],
        ['A', '\u0001'.repeat(20_000)],
        ['B', 'b'.repeat(30_000)],
        ['C', 'c'.repeat(5_000)],
      ],
      undefined,
      40_000,
    );
    expect(payload).toBe(
      JSON.stringify({ MESSAGE: 'small', A: null, B: 'b'.repeat(30_000), C: 'c'.repeat(5_000) }),
    );
  });

  it('without cursor, time and machine has the hash of its fields, the time of arrival and the source of the key', () => {
    const first = eventOf([['MESSAGE', 'x']]);
    expect(first).toMatchObject({ timestamp: '2026-11-22T10:00:00.000000Z', source: 'journal' });
    expect(first.eventId).toMatch(/^sha256:/);
    expect(eventOf([['MESSAGE', 'x']]).eventId).toBe(first.eventId);
    expect(eventOf([['MESSAGE', 'y']]).eventId).not.toBe(first.eventId);
  });

  it('has the time of a machine without a clock', () => {
    expect(eventOf([['__REALTIME_TIMESTAMP', '1000005']]).timestamp).toBe('1970-01-01T00:00:01.000005Z');
    expect(eventOf([['__REALTIME_TIMESTAMP', '7']]).timestamp).toBe('1970-01-01T00:00:00.000007Z');
    expect(eventOf([['__REALTIME_TIMESTAMP', 'now']]).timestamp).toBe('2026-11-22T10:00:00.000000Z');
  });
});
