import { describe, expect, it } from '@jest/globals';
import type { Delivery } from './delivery.js';
import { jsonDecoder } from './json-decoder.js';

function delivery(body: string, id?: string): Delivery {
  const header = (name: string): string | undefined => (name === 'Nats-Msg-Id' ? id : undefined);
  return { subject: 'payments.eur', data: Buffer.from(body), header } as unknown as Delivery;
}

describe('the default decoder', () => {
  it('reads a body as JSON, its topic from the subject and its id from the header', () => {
    expect(jsonDecoder(delivery('{"a":1}', 'p-1'))).toMatchObject({
      ok: true,
      message: { topic: 'payments.eur', eventId: 'p-1', event: { a: 1 } },
    });
  });

  it('gives equal bodies equal digests, and different bodies different ones', () => {
    const digestOf = (body: string): unknown => {
      const read = jsonDecoder(delivery(body, 'p-1'));
      return read.ok && read.message.digest;
    };
    expect(digestOf('{"a":1}')).toBe(digestOf('{"a":1}'));
    expect(digestOf('{"a":1}')).not.toBe(digestOf('{"a":2}'));
  });

  it.each([
    ['{"a":1}', undefined, 'missing_id'],
    ['{"a":1}', 'x'.repeat(513), 'missing_id'],
    ['{"a":', 'p-1', 'not_json'],
  ])('turns body %s with id %s into poison with reason %s', (body, id, reason) => {
    expect(jsonDecoder(delivery(body, id))).toMatchObject({
      ok: false,
      poison: { topic: 'payments.eur', reason },
    });
  });
});
