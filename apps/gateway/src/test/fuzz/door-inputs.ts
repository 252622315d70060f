/**
 * Inputs that test the doors: requests that are costly for their length, that ask first, and that are for another host.
 */
import fc from 'fast-check';
import { validEvent } from './event-texts.js';
import { request, type Headers } from './request-bytes.js';

/** The kinds of these inputs. */
export type DoorKind = 'publish: heavy' | 'publish: expect' | 'other hosts';

/** One input to the open gateway, see `HttpInput`. */
export interface DoorInput {
  readonly kind: DoorKind;
  readonly door: 'open';
  readonly bytes: Buffer;
  readonly body?: string;
  readonly then: 'wait';
  readonly right?: readonly number[];
}

const JSON_TYPE: readonly [string, string] = ['Content-Type', 'application/json'];

/** Texts that cost much more than their length once they are parsed: a start, a repeated part, an end. */
const heavy: fc.Arbitrary<DoorInput> = fc
  .tuple(
    fc.constantFrom<readonly [string, string]>(
      ...([
        ['', '['],
        ['', '{"a":'],
        ['[', '{},'],
        ['[', '[],'],
        ['{', '"n":1,'],
        ['[', '1,'],
      ] as const),
      ...([
        ['["', '\\"'],
        ['{"events":[', '{},'],
        ['[', ' '],
        ['', '-'],
      ] as const),
    ),
    fc.integer({ min: 100_000, max: 400_000 }),
    fc.constantFrom('', ']', '}', '{}]'),
  )
  .map(([[first, piece], times, end]) => ({
    kind: 'publish: heavy',
    door: 'open',
    bytes: request('POST', '/publish', [JSON_TYPE], first + piece.repeat(times) + end),
    then: 'wait',
    right: [400, 413, 422],
  }));

/** Requests that ask before they send their body, and some with another expectation. */
const expecting: fc.Arbitrary<DoorInput> = fc
  .tuple(
    fc.constantFrom('100-continue', '100-Continue', '200-ok', ''),
    fc.constantFrom('application/json', 'text/plain', ''),
    fc.constantFrom<Headers>([], [['Content-Encoding', 'gzip']]),
    validEvent,
  )
  .map(([expectation, type, more, event]) => {
    const body = JSON.stringify(event);
    const headers: Headers = [['Expect', expectation], ['Content-Type', type], ...more];
    const bytes = request('POST', '/publish', headers, body);
    return { kind: 'publish: expect', door: 'open', bytes, body, then: 'wait' };
  });

/** Names that a web page may point here, and two hosts in one request. */
const otherHosts: fc.Arbitrary<DoorInput> = fc
  .tuple(
    fc.constantFrom('evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '0', '[::2]'),
    fc.constantFrom('/stats', '/events', '/publish', '/health', '/nothing'),
    fc.boolean(),
  )
  .map(([host, path, isSecond]) => {
    const lines = isSecond ? `Host: localhost\r\nHost: ${host}` : `Host: ${host}`;
    const bytes = request('GET', path).toString('latin1').replace('Host: localhost', lines);
    const right = isSecond ? [400] : [421];
    return { kind: 'other hosts', door: 'open', bytes: Buffer.from(bytes, 'latin1'), then: 'wait', right };
  });

/** Each of these forms. */
export const doorInputs: fc.Arbitrary<DoorInput> = fc.oneof(
  { weight: 1, arbitrary: heavy },
  { weight: 5, arbitrary: expecting },
  { weight: 5, arbitrary: otherHosts },
);
