import { describe, expect, it } from '@jest/globals';
import { decodeEvent, EVENT_BYTES_MAX } from '#contracts';
import { REASON_OF } from '../checker/evidence.js';
import { eventBody, payloadBody } from './event-body.js';
import { amountOf, eventIdOf, type Message, type Poison } from './message.js';

const STARTED = Date.parse('2026-11-22T10:00:00Z');
const message = (members: Partial<Message> = {}): Message => ({
  topic: 'chaos.r1a2b3.t07',
  eventId: eventIdOf('7-1234'),
  variant: 0,
  ...members,
});

function decode(sent: Message): ReturnType<typeof decodeEvent> {
  const { topic, eventId } = sent;
  const raw = {
    subject: `events.${topic}`,
    data: Buffer.from(eventBody(sent, STARTED)),
    header: () => `${topic}:${eventId}`,
  };
  return decodeEvent(raw, 'events', EVENT_BYTES_MAX);
}

describe('the body of an event', () => {
  it('is a valid event of about 450 bytes with amount and variant', () => {
    const body = eventBody(message({ variant: 2 }), STARTED);
    expect(Math.abs(body.length - 450)).toBeLessThan(30);
    const decoded = decode(message({ variant: 2 }));
    expect(decoded).toMatchObject({
      ok: true,
      event: { topic: 'chaos.r1a2b3.t07', eventId: 'sekali-chaos 7-1234' },
    });
    expect((JSON.parse(body) as { payload: unknown }).payload).toMatchObject({
      amount: amountOf('chaos.r1a2b3.t07', 'sekali-chaos 7-1234'),
      variant: 2,
    });
  });

  it('is the same for every repeat, and differs from a variant in its payload alone', () => {
    expect(eventBody(message(), STARTED)).toBe(eventBody(message(), STARTED));
    const [first, other] = [0, 1].map(
      (variant) => JSON.parse(eventBody(message({ variant }), STARTED)) as Record<string, unknown>,
    );
    expect(other).not.toEqual(first);
    expect({ ...other, payload: 0 }).toEqual({ ...first, payload: 0 });
  });

  it('has the very text that goes through the other doors as its payload', () => {
    expect(eventBody(message({ variant: 1 }), STARTED)).toContain(
      `"payload":${payloadBody(message({ variant: 1 }), STARTED)}}`,
    );
  });

  it.each(Object.keys(REASON_OF) as Poison[])('is refused for the right reason when it is %s', (poison) => {
    expect(decode(message({ eventId: eventIdOf('poison-7-1'), poison }))).toMatchObject({
      ok: false,
      reason: REASON_OF[poison],
    });
    expect(eventBody(message({ poison }), STARTED).length).toBeLessThan(1_000_000);
  });
});
