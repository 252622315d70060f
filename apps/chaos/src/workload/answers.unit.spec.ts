import { describe, expect, it } from '@jest/globals';
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/nats-core';
import { readBulkAnswer } from './bulk-answer.js';
import { readAnswer, readFailure } from './http-answer.js';
import type { Message } from './message.js';
import { readPublishFailure } from './nats-answer.js';

const messages: readonly Message[] = ['a', 'b', 'c'].map((eventId) => ({ topic: 't', eventId, variant: 0 }));
const result = (index: number, status: string, seq?: number, eventId = 'abc'[index]): unknown => ({
  index,
  topic: 't',
  event_id: eventId,
  status,
  ...(seq === undefined ? {} : { seq }),
});
const body = (...results: unknown[]): string => JSON.stringify({ accepted: 0, results });

describe('an answer of a gateway over HTTP', () => {
  it('says message by message what the brokers have', () => {
    const text = body(result(0, 'accepted', 5), result(1, 'duplicate', 2), result(2, 'accepted', 6));
    expect(readAnswer(202, text, messages, false)).toEqual({
      messages: [
        ['ok', 5, 0],
        ['ok', 2, 1],
        ['ok', 6, 0],
      ],
      refusedForNow: false,
    });
  });

  it('refuses for good what is invalid, and acknowledges what was taken', () => {
    const text = body(result(0, 'accepted', 5), { index: 1, status: 'invalid' }, result(2, 'accepted', 6));
    const answer = readAnswer(202, text, messages, true);
    expect(answer.messages.map(([outcome]) => outcome)).toEqual(['ok', 'fail', 'ok']);
    expect(answer.refusedForNow).toBe(false);
  });

  it.each([400, 413, 415, 422])('%d: nothing of it may be stored', (status) => {
    const answer = readAnswer(status, '{"rejected":[{"index":1}]}', messages, true);
    expect(answer.messages).toEqual([
      ['fail', 0, 0],
      ['fail', 0, 0],
      ['fail', 0, 0],
    ]);
    expect(answer).toMatchObject({ reason: String(status), refusedForNow: false });
  });

  it('503 with results: what is unavailable, or not named, is unknown', () => {
    const answer = readAnswer(503, body(result(0, 'accepted', 5), result(1, 'unavailable')), messages, false);
    expect(answer.messages).toEqual([
      ['ok', 5, 0],
      ['info', 0, 0],
      ['info', 0, 0],
    ]);
    expect(answer.reason).toBe('503');
  });

  it.each([
    [503, '{"title":"stopping"}'],
    [503, 'no JSON'],
    [503, '{"results":[null]}'],
    [500, '{}'],
    [502, '<html>'],
    [504, ''],
    [408, ''],
    [429, ''],
    [404, ''],
  ])('%d %s: unknown', (status, text) => {
    const answer = readAnswer(status, text, messages, false);
    expect(answer.messages.map(([outcome]) => outcome)).toEqual(['info', 'info', 'info']);
  });

  it('202 without results: all of it when strict, unknown when lenient', () => {
    const outcomes = (lenient: boolean): string[] =>
      readAnswer(202, '{}', messages, lenient).messages.map(([outcome]) => outcome);
    expect(outcomes(false)).toEqual(['ok', 'ok', 'ok']);
    expect(outcomes(true)).toEqual(['info', 'info', 'info']);
  });

  it('about another event says nothing about this one', () => {
    const text = body(
      result(0, 'accepted', 5, 'x'),
      result(1, 'accepted', 6),
      result(2, 'invalid', undefined, 'x'),
    );
    const answer = readAnswer(202, text, messages, false);
    expect(answer.messages.map(([outcome]) => outcome)).toEqual(['info', 'ok', 'info']);
  });
});

describe('an answer to documents', () => {
  const item = (status: number, members: object = {}, id = 'a'): unknown => ({
    create: { _index: 't', _id: id, status, ...members },
  });
  const read = (...items: unknown[]): unknown =>
    readBulkAnswer(200, JSON.stringify({ took: 1, errors: true, items }), messages.slice(0, 1)).messages[0];

  it('says document by document what the brokers have', () => {
    const reason = 'the event is there already, as sequence 2';
    const items = [
      item(201, { _seq_no: 5 }),
      { index: { _index: 't', _id: 'b', status: 409, error: { reason } } },
      item(429, { error: { reason: 'the stream is full' } }, 'c'),
    ];
    expect(readBulkAnswer(200, JSON.stringify({ items }), messages)).toEqual({
      messages: [
        ['ok', 5, 0],
        ['ok', 2, 1],
        ['info', 0, 0],
      ],
      refusedForNow: false,
      reason: 'items',
    });
  });

  it.each([
    ['created', item(201, { _seq_no: 5 }), ['ok', 5, 0]],
    ['created, without a sequence', item(201), ['ok', 0, 0]],
    ['there already, without a sequence', item(409), ['ok', 0, 1]],
    ['invalid', item(400), ['fail', 0, 0]],
    ['not covered by the key', item(403), ['fail', 0, 0]],
    ['refused for now', item(429), ['info', 0, 0]],
    ['broken', item(500), ['info', 0, 0]],
    ['another document', item(201, { _seq_no: 5 }, 'x'), ['info', 0, 0]],
    ['of another topic', item(201, { _seq_no: 5, topic: 'u' }), ['info', 0, 0]],
    ['no item', undefined, ['info', 0, 0]],
    ['empty', {}, ['info', 0, 0]],
  ])('an item that is %s', (_what, one, end) => {
    expect(read(...(one === undefined ? [] : [one]))).toEqual(end);
  });

  it.each([
    [200, 'no JSON'],
    [200, '{"items":[null]}'],
    [200, '{}'],
    [400, '{"status":400}'],
    [413, ''],
    [429, ''],
    [503, ''],
  ])('%d %s: unknown, because documents are published while they arrive', (status, text) => {
    const { messages: ended, refusedForNow } = readBulkAnswer(status, text, messages);
    expect(ended.map(([outcome]) => outcome)).toEqual(['info', 'info', 'info']);
    expect(refusedForNow).toBe(false);
  });
});

describe('a request over HTTP without an answer', () => {
  const failed = (cause: unknown): Error => new TypeError('fetch failed', { cause });
  const withCode = (code: string): Error => Object.assign(new Error(code), { code });

  it.each([
    ['one address', failed(withCode('ECONNREFUSED'))],
    ['both addresses', failed(new AggregateError([withCode('ECONNREFUSED'), withCode('ECONNREFUSED')]))],
  ])('is a refusal for now when %s refused the connection', (_what, error) => {
    expect(readFailure(error, 1)).toEqual({
      messages: [['fail', 0, 0]],
      reason: 'ECONNREFUSED',
      refusedForNow: true,
    });
  });

  it.each([
    ['UND_ERR_SOCKET', failed(withCode('UND_ERR_SOCKET'))],
    ['ECONNRESET', failed(withCode('ECONNRESET'))],
    ['ETIMEDOUT', failed(new AggregateError([withCode('ECONNREFUSED'), withCode('ETIMEDOUT')]))],
    ['timeout', Object.assign(new Error('late'), { name: 'TimeoutError' })],
    ['TypeError', new TypeError('terminated')],
    ['unreadable', 'thrown text'],
  ])('is unknown otherwise: %s', (reason, error) => {
    expect(readFailure(error, 1)).toEqual({ messages: [['info', 0, 0]], reason, refusedForNow: false });
  });
});

describe('a publish that was not acknowledged', () => {
  const api = (code: number, status: number, description: string): JetStreamApiError =>
    new JetStreamApiError({ code: status, err_code: code, description });

  it.each([
    ['the stream is full', api(10077, 503, 'maximum bytes exceeded'), 'fail', true],
    ['the stream is full', api(10077, 503, 'maximum messages exceeded'), 'fail', true],
    ['the message is too large', api(10054, 400, 'message size exceeds maximum allowed'), 'fail', false],
    ['the client refuses it', new errors.InvalidArgumentError('max_payload'), 'fail', false],
    ['storing failed somewhere', api(10077, 503, 'i/o error'), 'info', false],
    ['the id is in process', api(10158, 409, 'duplicate message id is in process'), 'info', false],
    ['it is too much at once', api(10167, 429, 'too many requests'), 'info', false],
    ['no answer came', new errors.TimeoutError(), 'info', false],
    ['no program listens', new Error('no responders'), 'info', false],
    ['something else was thrown', 'text', 'info', false],
  ] as const)('ends as expected when %s', (_what, error, outcome, refusedForNow) => {
    expect(readPublishFailure(error)).toMatchObject({ messages: [[outcome, 0, 0]], refusedForNow });
  });
});
