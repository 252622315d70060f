import { describe, expect, it } from '@jest/globals';
import { headers, type Msg, type MsgHdrs } from '@nats-io/nats-core';
import { JetStreamDelivery } from './jetstream-delivery.js';

/** Returns what is kept of the headers of a message. */
function kept(given: MsgHdrs | undefined): Record<string, string[]> | undefined {
  const message = {
    reply: '$JS.ACK.EVENTS.store.1.1.1.1795814306610748103.0',
    data: new Uint8Array(),
    headers: given,
  };
  const text = new JetStreamDelivery(message as Msg, { ack: () => undefined }).headersText();
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, string[]>);
}

function headersOf(entries: readonly (readonly [string, string])[]): MsgHdrs {
  const header = headers();
  for (const [name, value] of entries) header.append(name, value);
  return header;
}

describe('the headers of a delivery, as they were sent,', () => {
  it('are written again where the client does not have them in front of the body', () => {
    const message = {
      subject: 'é',
      reply: '$JS.ACK.EVENTS.store.1.1.1.1795814306610748103.0',
      data: new Uint8Array(),
      headers: headersOf([
        ['A', '1'],
        ['A', '2'],
      ]),
      size: () => 1_000,
    };
    const delivery = new JetStreamDelivery(message as unknown as Msg, { ack: () => undefined });
    expect(Buffer.from(delivery.headerBytes() ?? []).toString()).toBe('NATS/1.0\r\nA: 1\r\nA: 2\r\n\r\n');
  });
});

describe('the headers of a delivery, as a dead letter keeps them,', () => {
  it('are complete when they are no longer than an event needs', () => {
    const id = `${'t'.repeat(1_039)}:${'i'.repeat(256)}`;
    const given = headersOf([
      ['Nats-Msg-Id', id],
      ['Sekali-Submission', 'one'],
      ['Other', 'a'],
      ['Other', 'b'],
    ]);
    expect(kept(given)).toEqual({ 'Nats-Msg-Id': [id], 'Sekali-Submission': ['one'], Other: ['a', 'b'] });
    expect(kept(undefined)).toBeUndefined();
  });

  it('lose the end of a longer value, and no character is cut in half', () => {
    expect(kept(headersOf([['Nats-Msg-Id', 'x'.repeat(60_000)]]))).toEqual({
      'Nats-Msg-Id': [`${'x'.repeat(2_047)}…`],
    });
    expect(kept(headersOf([['A', `${'x'.repeat(2_046)}😀${'y'.repeat(10)}`]]))).toEqual({
      A: [`${'x'.repeat(2_046)}…`],
    });
  });

  it('are bounded in total, however many there are', () => {
    const many = Array.from({ length: 2_000 }, (_, n) => [`Name-${n}`, 'v'.repeat(20)] as const);
    const text = JSON.stringify(kept(headersOf(many)));
    expect(text.length).toBeGreaterThan(4_096);
    expect(text.length).toBeLessThan(16_384);
  });
});
