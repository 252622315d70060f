import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { eventText, type SekaliEvent } from './event.js';
import { decodeEvent } from './event-decoder.js';
import type { Decoded } from './raw-message.js';
import { readWrittenMessage } from './written-event.js';

const EVENT: SekaliEvent = {
  topic: 'orders.created',
  eventId: 'o-1',
  timestamp: '2026-11-22T10:00:00.000000Z',
  source: 'checkout',
  payload: '{"total":12.50}',
};

const read = (text: string, subject = 'events.orders.created'): SekaliEvent | undefined =>
  readWrittenMessage(text, subject, 'events');

function decode(text: string, subject: string): Decoded {
  return decodeEvent({ subject, data: Buffer.from(text), header: () => undefined }, 'events', 1_000_000);
}

/** The event, or nothing. The description of an error contains positions, which the white space moves. */
function eventOf(decoded: Decoded): SekaliEvent | undefined {
  return decoded.ok ? decoded.event : undefined;
}

/**
 * White space after the first brace changes no meaning, but the text no longer has the written form. So the decoder
 * reads it.
 */
const spaced = (text: string): string => text.replace('{', '{ ');

describe('readWrittenMessage', () => {
  it('reads what eventText writes, the payload unchanged', () => {
    expect(read(eventText(EVENT))).toEqual(EVENT);
  });

  it('leaves to the decoder what is not exactly the written form', () => {
    const text = eventText(EVENT);
    for (const other of [
      spaced(text),
      `${text} `,
      text.replace('"topic"', '"tópic"'),
      text.replace('"o-1"', '"o\\u002d1"'),
      text.replace('"o-1"', '"o\u0000"'),
      text.replace('"payload":{"total":12.50}', '"payload":[1]'),
      text.replace('}}', '},"more":1}'),
      text.replace('}}', '},"payload":{}}'),
      text.replace('12.50', '12.50,'),
      text.replace('12.50', '"\\u0000"'),
      text.replace('10:00', '25:00'),
      text.replace('"source":"checkout",', ''),
      '{"topic":"',
      '',
    ]) {
      expect(read(other)).toBeUndefined();
    }
    for (const subject of [
      'events.orders',
      'eventsxorders.created',
      'events.orders.created.x',
      'other.orders.created',
    ])
      expect(read(text, subject)).toBeUndefined();
  });

  it('accepts nothing that the decoder refuses, and reads the same from what both accept', () => {
    const name = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.constant('a"b\\'),
    );
    const timestamp = fc.oneof(
      fc.constantFrom(
        '2026-02-30T10:00:00Z',
        '2026-11-22T10:00:00.123Z',
        '2026-11-22T10:00:00+07:00',
        '0000-01-01T00:00:00.000Z',
      ),
      name,
    );
    const payload = fc.oneof(
      fc.json(),
      fc.constantFrom('{}', '{"a":1}', '{"a":"\\ud800"}', '{"a":1e999}', '{"a":1},"b":{}', '{', '{}}'),
    );
    const raw = (text: string): string => `"${text}"`;
    const asText = fc.constantFrom<(text: string) => string>(JSON.stringify, raw);
    fc.assert(
      fc.property(
        fc.constantFrom('orders', 'a.b', ''),
        name,
        timestamp,
        name,
        payload,
        asText,
        (topic, id, at, source, value, write) => {
          const text = `{"topic":${write(topic)},"event_id":${write(id)},"timestamp":${write(at)},"source":${write(source)},"payload":${value}}`;
          const [written, anyForm] = [
            decode(text, `events.${topic}`),
            decode(spaced(text), `events.${topic}`),
          ];
          expect(eventOf(written)).toEqual(eventOf(anyForm));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
