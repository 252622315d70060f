/** Inputs to the routes that read, that act on dead letters, and that answer a client which asks first. */
import fc from 'fast-check';
import { anyJson } from './event-texts.js';
import { request, type Headers } from './request-bytes.js';
import { word } from './words.js';

/** The kinds of these inputs. */
export type OperatorKind = 'reading' | 'dead letters: act' | 'cloudevents: handshake';

/** One input to the open gateway, see `HttpInput`. */
export interface OperatorInput {
  readonly kind: OperatorKind;
  readonly door: 'open';
  readonly bytes: Buffer;
  readonly then: 'wait';
  readonly right?: readonly number[];
}

const JSON_TYPE: readonly [string, string] = ['Content-Type', 'application/json'];
/** No event has it, so an order about it changes nothing. */
const NO_TOPIC = 'fuzz.none';
/** No dead letter has them. Others are drawn as words. */
const NO_LETTERS = ['999999999', '0', '-1', '9223372036854775807', '9223372036854775808'];

const encoded = fc
  .oneof(word, fc.constantFrom('orders.created', 'a', 'again-1', ...NO_LETTERS))
  .map((text) => encodeURIComponent(text.toWellFormed()));

/** Names of parameters, each of some route. */
const PARAMETERS = ['topic', 'consumer', 'reason', 'fingerprint', 'since', 'until', 'state', 'group'];
const MORE_PARAMETERS = ['limit', 'cursor', 'after', 'x'];
const query = fc
  .array(fc.tuple(fc.constantFrom(...PARAMETERS, ...MORE_PARAMETERS), encoded), { maxLength: 3 })
  .map((pairs) => pairs.map(([name, value]) => `${name}=${value}`).join('&'));

const place = fc
  .tuple(
    fc.constantFrom(
      '/events/{}/{}',
      '/events/{}/{}/story',
      '/stats/topics',
      '/stats/repeats',
      '/system',
      '/dead-letters',
      '/dead-letters/{}',
      '/health/live',
      '/health/ready',
      '/docs',
      '/openapi.json',
      '/asyncapi.json',
    ),
    encoded,
    encoded,
    query,
  )
  .map(([path, first, second, text]) => {
    const target = path.replace('{}', () => first).replace('{}', () => second);
    return text === '' ? target : `${target}?${text}`;
  });

const reading: fc.Arbitrary<OperatorInput> = fc
  .tuple(
    place,
    fc.constantFrom('GET', 'GET', 'GET', 'HEAD'),
    fc.constantFrom<Headers>(
      [],
      [['Accept', 'application/cloudevents+json']],
      [['Accept', 'application/cloudevents-batch+json, */*;q=0']],
      [['Accept', 'x']],
      [['If-None-Match', '*']],
    ),
  )
  .map(([target, method, headers]) => ({
    kind: 'reading',
    door: 'open',
    bytes: request(method, target, headers),
    then: 'wait',
  }));

/** An order by filter never reaches another topic. */
const order = fc.oneof(
  anyJson,
  fc
    .tuple(
      fc.dictionary(fc.constantFrom(...PARAMETERS, 'x'), fc.oneof(word, fc.jsonValue({ maxDepth: 1 })), {
        maxKeys: 3,
      }),
      fc.dictionary(
        fc.constantFrom('reason', 'dry_run', 'limit', 'cursor', 'force', 'event', 'body'),
        fc.oneof(word, fc.constantFrom(true, 1, 0, null, {}, '')),
        { maxKeys: 3 },
      ),
    )
    .map(([filter, others]) => JSON.stringify({ ...others, filter: { ...filter, topic: NO_TOPIC } })),
);

const acting: fc.Arbitrary<OperatorInput> = fc
  .tuple(
    fc.oneof(
      fc.constantFrom('replay', 'drop'),
      fc
        .tuple(fc.constantFrom(...NO_LETTERS), fc.constantFrom('replay', 'drop', 'x'))
        .map((parts) => parts.join('/')),
      fc.tuple(encoded, fc.constantFrom('replay', 'drop')).map((parts) => parts.join('/')),
    ),
    order,
    fc.constantFrom<Headers>([JSON_TYPE], [JSON_TYPE], [JSON_TYPE], [], [['Content-Type', 'text/plain']]),
  )
  .map(([path, body, headers]) => ({
    kind: 'dead letters: act',
    door: 'open',
    bytes: request('POST', `/dead-letters/${path}`, headers, body),
    then: 'wait',
  }));

const oneLine = word.map((text) => text.replace(/[\r\n\0]/g, ''));

const handshake: fc.Arbitrary<OperatorInput> = fc
  .tuple(
    fc.array(
      fc.tuple(
        fc.constantFrom('WebHook-Request-Origin', 'WebHook-Request-Rate', 'WebHook-Request-Callback'),
        fc.oneof(oneLine, fc.constantFrom('shop.example', '*', '120', 'http://127.0.0.1:9/')),
      ),
      { maxLength: 3 },
    ),
    encoded,
  )
  .map(([headers, token]) => ({
    kind: 'cloudevents: handshake',
    door: 'open',
    bytes: request('OPTIONS', `/cloudevents?access_token=${token}`, headers),
    then: 'wait',
  }));

/** Each of these forms. */
export const operatorInputs: fc.Arbitrary<OperatorInput> = fc.oneof(
  { weight: 5, arbitrary: reading },
  { weight: 4, arbitrary: acting },
  { weight: 1, arbitrary: handshake },
);
