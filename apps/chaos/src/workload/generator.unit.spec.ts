import { describe, expect, it } from '@jest/globals';
import type { Via } from '../history/operation.js';
import { Generator, type GeneratorOptions } from './generator.js';
import { amountOf, type Message } from './message.js';
import { Random } from './random.js';

const WINDOW_MS = 2_000;
/** A message every 20 ms: 400 s for 20,000. */
const STEP_MS = 20;
/** How operations are mixed, so that each way has about its part of the messages. */
const MIX: readonly (readonly [Via, number])[] = [
  ['http', 1],
  ['nats', 1],
  ['http_batch', 30],
  ['nats', 1],
  ['http', 1],
  ['http_lenient', 10],
  ['bulk', 15],
  ['nats', 1],
  ['cloudevents', 10],
  ...Array.from({ length: 25 }, () => ['nats', 1] as const),
  ...Array.from({ length: 15 }, () => ['http', 1] as const),
];

interface Planned extends Message {
  readonly via: Via;
  readonly atMs: number;
  readonly kind: 'planned' | 'twin';
}

function generate(
  seed: number,
  count: number,
  options: Partial<GeneratorOptions> = {},
): { messages: Planned[]; generator: Generator } {
  const generator = new Generator(new Random(seed), {
    topicPrefix: 'chaos.r1',
    duplicateWindowMs: WINDOW_MS,
    ...options,
  });
  const messages: Planned[] = [];
  for (let turn = 0; messages.length < count; turn++) {
    const [via, size] = MIX[turn % MIX.length] as readonly [Via, number];
    const atMs = messages.length * STEP_MS;
    const plan = generator.plan(via, size, atMs);
    messages.push(...plan.messages.map((message) => ({ ...message, via, atMs, kind: 'planned' as const })));
    messages.push(...plan.twins.map((message) => ({ ...message, via, atMs, kind: 'twin' as const })));
  }
  return { messages, generator };
}

const identity = ({ topic, eventId }: Message): string => `${topic}:${eventId}`;
const share = (some: readonly unknown[], all: readonly unknown[]): number => some.length / all.length;

/** The repeats, each with the time since its first message. */
function repeatsOf(messages: readonly Planned[]): (Planned & { sinceFirstMs: number })[] {
  const first = new Map<string, number>();
  return messages.flatMap((message) => {
    const at = first.get(identity(message));
    if (at === undefined) first.set(identity(message), message.atMs);
    return at === undefined ? [] : [{ ...message, sinceFirstMs: message.atMs - at }];
  });
}

describe('the plan of the generator', () => {
  it('is the same for the same seed, and different for another', () => {
    const [one, same, other] = [7, 7, 8].map((seed) => generate(seed, 2_000).messages);
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
  });

  it.each([0, 0.1, 0.3, 0.6, 0.9])('repeats a share of %d of the messages', (repeatShare) => {
    const { messages } = generate(1, 20_000, { repeatShare });
    expect(share(repeatsOf(messages), messages)).toBeCloseTo(repeatShare, 1);
  });

  it('repeats at once, in the same batch, shortly after, and after the window', () => {
    const { messages } = generate(2, 20_000);
    const repeats = repeatsOf(messages);
    const late = repeats.filter(({ sinceFirstMs }) => sinceFirstMs > WINDOW_MS + 2_000);
    const twins = repeats.filter(({ kind }) => kind === 'twin');
    const inBatch = repeats.filter(({ kind, sinceFirstMs }) => kind === 'planned' && sinceFirstMs === 0);
    expect(share(twins, repeats)).toBeGreaterThan(0.15);
    expect(share(late, repeats)).toBeGreaterThan(0.15);
    expect(inBatch.length).toBeGreaterThan(100);
    expect(twins).toHaveLength(messages.filter(({ kind }) => kind === 'twin').length);
  });

  it('gives some repeats another payload, and a first sending never', () => {
    const { messages } = generate(3, 20_000);
    const repeats = repeatsOf(messages);
    const conflicts = messages.filter(({ variant }) => variant !== 0);
    expect(share(conflicts, repeats)).toBeCloseTo(0.05, 1);
    expect(conflicts.length).toBeGreaterThan(100);
    expect(new Set(conflicts.map(({ variant }) => variant))).toEqual(new Set([1, 2, 3]));
    expect(repeatsOf(messages).filter(({ variant }) => variant !== 0)).toHaveLength(conflicts.length);
  });

  it('poisons about one in a hundred, each once, in a way that fits', () => {
    const { messages } = generate(4, 20_000);
    const poison = messages.filter((message) => message.poison !== undefined);
    expect(share(poison, messages)).toBeGreaterThan(0.005);
    expect(share(poison, messages)).toBeLessThan(0.02);
    expect(new Set(poison.map(identity)).size).toBe(poison.length);
    expect(
      poison.every(({ eventId, variant }) => eventId.startsWith('sekali-chaos poison-') && variant === 0),
    ).toBe(true);
    const overHttp = new Set(poison.filter(({ via }) => via !== 'nats').map((message) => message.poison));
    expect(overHttp).not.toContain('wrong_subject');
    const lenient = new Set(
      poison.filter(({ via }) => via === 'http_lenient').map((message) => message.poison),
    );
    expect(lenient).not.toContain('not_json');
    const documents = new Set(poison.filter(({ via }) => via === 'bulk').map((message) => message.poison));
    expect(documents).toContain('nul');
    expect(documents).not.toContain('missing_field');
    const overNats = new Set(poison.filter(({ via }) => via === 'nats').map((message) => message.poison));
    expect([...overNats]).toEqual(
      expect.arrayContaining(['not_json', 'wrong_subject', 'nul', 'missing_field']),
    );
    const tooLarge = poison.filter((message) => message.poison === 'too_large');
    expect(tooLarge.length).toBeGreaterThan(0);
    expect(tooLarge.length).toBeLessThanOrEqual(7);
  });

  it('can do without repeats, conflicts and poison', () => {
    const { messages } = generate(5, 5_000, { repeatShare: 0, poisonShare: 0, conflictShare: 0 });
    expect(new Set(messages.map(identity)).size).toBe(messages.length);
    expect(messages.some(({ poison, variant }) => poison !== undefined || variant !== 0)).toBe(false);
  });

  it('has busy topics and quiet ones, and names them all', () => {
    const { messages, generator } = generate(6, 20_000);
    expect(generator.topicNames).toHaveLength(40);
    expect(generator.topicNames[7]).toBe('chaos.r1.t07');
    const counts = generator.topicNames.map((name) => messages.filter(({ topic }) => topic === name).length);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(messages.length);
    expect(counts.every((count) => count > 0)).toBe(true);
    // The ratio is 1/1 to 1/40.
    expect(Number(counts[0]) / Number(counts[39])).toBeGreaterThan(20);
    expect(Number(counts[0]) / Number(counts[1])).toBeCloseTo(2, 0);
  });

  it('gives each event one amount, 1 to 1,000', () => {
    const amounts = generate(7, 2_000).messages.map(({ topic, eventId }) => amountOf(topic, eventId));
    expect(Math.min(...amounts)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...amounts)).toBeLessThanOrEqual(1_000);
  });
});
