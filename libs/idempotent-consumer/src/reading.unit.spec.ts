import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import type { Decoder, Delivery } from './delivery.js';
import { filteredOut, readingOf, type ReadingOptions, subjectsOf } from './reading.js';

const decode: Decoder<unknown> = (delivery) => {
  const event: unknown = JSON.parse(Buffer.from(delivery.data).toString());
  return { ok: true, message: { delivery, topic: 't', eventId: 'e', digest: 0n, event } };
};

function read(options: ReadingOptions, subject: string, event: unknown = {}): ReturnType<Decoder<unknown>> {
  const delivery = { subject, data: Buffer.from(JSON.stringify(event)) } as unknown as Delivery;
  return readingOf(decode, options)(delivery);
}

function reasonOf(read: ReturnType<Decoder<unknown>>): string {
  if (read.ok) return 'read';
  return 'poison' in read ? `${read.poison.reason}: ${read.poison.detail}` : 'ignored';
}

const schema = z.object({ account: z.string(), lines: z.array(z.object({ amount: z.number() })) });

describe('the schema of a handler', () => {
  it('gives the handler the parsed event', () => {
    const fits = { account: 'a', lines: [{ amount: 1 }], more: true };
    expect(read({ schema }, 'payments.eu', fits)).toMatchObject({
      ok: true,
      message: { eventId: 'e', event: { account: 'a', lines: [{ amount: 1 }] } },
    });
  });

  it('turns an event that does not fit into poison, with the paths that are wrong', () => {
    const reason = reasonOf(read({ schema }, 'payments.eu', { lines: [{ amount: 1 }, { amount: 'two' }] }));
    expect(reason).toMatch(/^schema_mismatch: account: .*; lines\.1\.amount: .*number/);
  });

  it('may be any object whose parse throws', () => {
    const parse = (): never => {
      throw new TypeError('not a payment');
    };
    expect(reasonOf(read({ schema: { parse } }, 'payments.eu'))).toBe('schema_mismatch: not a payment');
  });
});

describe('the subjects of a handler', () => {
  it.each([
    ['payments.>', 'payments.eu.paid', true],
    ['payments.>', 'payments', false],
    ['payments.*', 'payments.eu', true],
    ['payments.*', 'payments.eu.paid', false],
    ['payments.*.paid', 'payments.eu.paid', true],
    ['payments.eu', 'payments.us', false],
  ])('%s match %s: %s', (subjects, subject, isTaken) => {
    expect(read({ subjects }, subject).ok).toBe(isTaken);
  });

  it('have the prefix of the stream for the brokers', () => {
    expect(subjectsOf({ subjects: 'payments.>' }, 'events')).toEqual(['events.payments.>']);
    expect(subjectsOf({ subjects: ['a.*', 'b'] })).toEqual(['a.*', 'b']);
    expect(subjectsOf({}, 'events')).toEqual([]);
  });

  it.each([
    ['a.>', [], []],
    ['a.b', ['a.>'], []],
    ['a.>', ['a.>'], []],
    ['a.*', ['a.>'], []],
    ['a.*', ['x', 'a.*'], []],
    ['a.b', ['a.*'], []],
    ['a.>', ['a.*'], ['a.>']],
    ['a.>', ['a.b'], ['a.>']],
    ['a.*', ['a.b'], ['a.*']],
    ['a', ['a.>'], ['a']],
    ['a.b.c', ['a.*'], ['a.b.c']],
    ['b.>', ['a.>'], ['b.>']],
    ['>', ['a.>'], ['>']],
  ])('such as %s miss, behind the filters %j: %j', (subject, filters, missed) => {
    expect(filteredOut([subject], filters)).toEqual(missed);
  });

  it('turn an event of another subject into a dead letter, unless onUnmatched is ack', () => {
    const subjects = ['payments.>', 'refunds.>'];
    expect(reasonOf(read({ subjects }, 'orders.eu'))).toBe(
      "unmatched: subject orders.eu matches none of the handler's subjects: payments.>, refunds.>",
    );
    expect(reasonOf(read({ subjects, onUnmatched: 'ack' }, 'orders.eu'))).toBe('ignored');
    expect(reasonOf(read({ subjects, onUnmatched: 'ack' }, 'refunds.eu'))).toBe('read');
  });
});
