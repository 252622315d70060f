/** The key of an event: what may be one, and what becomes of an event without. */
import { describe, expect, it } from '@jest/globals';
import type { Decoder, Delivery } from '../delivery.js';
import { keyedBy } from './order-key.js';

const decode: Decoder<unknown> = (delivery) => ({
  ok: true,
  message: { delivery, topic: 'a', eventId: 'e', digest: 1n, event: 'an event' },
});
const delivery = {} as Delivery;

describe('a key', () => {
  it.each([
    ['k', 'k'],
    [7, '7'],
    [8n, '8'],
    ['', ''],
  ])('may be %j', (value, orderKey) => {
    expect(keyedBy(decode, () => value)(delivery)).toMatchObject({ ok: true, message: { orderKey } });
  });

  it.each([
    [undefined, 'orderBy returned undefined, and no text or number'],
    [null, 'orderBy returned null, and no text or number'],
    [{}, 'orderBy returned object, and no text or number'],
    ['x'.repeat(513), 'orderBy returned 513 characters, and a key has at most 512'],
    ['\u0000', 'orderBy returned a text with NUL or half a surrogate pair, which Postgres cannot store'],
    ['\ud800', 'orderBy returned a text with NUL or half a surrogate pair, which Postgres cannot store'],
  ])('may not be %j', (value, detail) => {
    expect(keyedBy(decode, () => value as string)(delivery)).toMatchObject({
      ok: false,
      poison: { topic: 'a', eventId: 'e', reason: 'no_order_key', detail },
    });
  });

  it('may not be found, and the event is a dead letter that says why', () => {
    const fails = (): string => {
      throw new Error('no account');
    };
    expect(keyedBy(decode, fails)(delivery)).toMatchObject({
      poison: { reason: 'no_order_key', detail: 'orderBy failed: no account' },
    });
  });

  it('is not asked of what cannot be read', () => {
    const ignored: Decoder<unknown> = () => ({ ok: false, ignored: true });
    expect(keyedBy(ignored, () => 'k')(delivery)).toEqual({ ok: false, ignored: true });
  });
});
