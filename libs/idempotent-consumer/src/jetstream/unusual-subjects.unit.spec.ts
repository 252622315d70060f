import { describe, expect, it } from '@jest/globals';
import { Parser, type ParserEvent } from '@nats-io/nats-core/internal';
import { readUnusualSubjects } from './unusual-subjects.js';

const text = new TextDecoder();

/** Returns what the client reads of lines from a broker. */
function read(sent: string): { subject: string; sid: number; reply: string; body: string }[] {
  const events: ParserEvent[] = [];
  const parser = new Parser({
    push: (event) => {
      if (typeof event === 'object') events.push(structuredClone(event));
    },
  });
  parser.parse(Buffer.from(sent));
  return events.map(({ msg, data }) => ({
    subject: text.decode(msg?.subject),
    sid: msg?.sid ?? NaN,
    reply: text.decode(msg?.reply),
    body: text.decode(data),
  }));
}

const plain = { subject: 'events.orders', sid: 7, reply: '$JS.ACK.E.c.1.1.1.1.0', body: 'two' };
const line = `MSG events.orders 7 ${plain.reply} 3\r\ntwo\r\n`;

describe('a delivery whose subject contains white space', () => {
  it.each([
    'events.or\rders',
    'events.orders _INBOX_producer.trace',
    'events.orders a 12 NATS/1.0',
    'a\tb\r c',
  ])('is read, with headers or without, and so are its neighbours: %j', (subject) => {
    readUnusualSubjects();
    readUnusualSubjects();
    const unusual = { ...plain, subject };
    expect(read(`${line}MSG ${subject} 7 ${plain.reply} 3\r\ntwo\r\n${line}`)).toEqual([
      plain,
      unusual,
      plain,
    ]);
    const headers = 'NATS/1.0\r\n\r\n';
    const withHeaders = `HMSG ${subject} 7 ${plain.reply} 12 15\r\n${headers}two\r\n`;
    expect(read(line + withHeaders + line)).toEqual([plain, { ...unusual, body: `${headers}two` }, plain]);
  });

  it('does not make an invalid line valid', () => {
    readUnusualSubjects();
    for (const wrong of [
      'MSG a 7 r x\r\n',
      'MSG a b r 3\r\n',
      'MSG a\r\n',
      'MSG a b c d e\r\n',
      'HMSG a 7 r 9 3\r\n',
    ]) {
      expect(() => read(wrong)).toThrow(/Parse Error|Bad or Missing/);
    }
  });
});
