/** Message ids with a digest: what differs is never dropped, and what no other process can forge is not inspected. */
import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { digestedMessageIdOf, eventText } from '#contracts';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import type { PublishOutcome } from '#idempotent-consumer/jetstream';
import type { Publication } from './publication.js';
import { Publisher, type PublisherOptions } from './publisher.js';

const SECRET = 's'.repeat(64);
const CONTAINS_DUPLICATE = 10201;

function event(eventId: string, payload = '{}', timestamp = '2026-11-22T10:00:00Z'): Publication {
  const body = eventText({ topic: 'orders', eventId, timestamp, source: 'test', payload });
  return { topic: 'orders', eventId, body };
}

const numbered = (count: number, prefix = 'e'): Publication[] =>
  Array.from({ length: count }, (_, n) => event(`${prefix}${n}`));

function gatewayOf(system: TestSystem, options: Partial<PublisherOptions> = {}): Publisher {
  return new Publisher(system.connection, {
    stream: system.streamName,
    subjectPrefix: system.subjectPrefix,
    inFlightMax: 512,
    waitingMax: 5_000,
    budgetMs: 18_000,
    digestSecret: () => SECRET,
    ...options,
  });
}

/** What goes over a subject while something is done. */
async function heardOn(system: TestSystem, subject: string, work: () => Promise<unknown>): Promise<number> {
  let heard = 0;
  const subscription = system.connection.subscribe(subject, { callback: () => void (heard += 1) });
  await work();
  await system.connection.flush();
  subscription.unsubscribe();
  return heard;
}

/** Requests to read a message, while something is done. */
async function readsOf(system: TestSystem, work: () => Promise<unknown>): Promise<number> {
  return heardOn(system, `$JS.API.STREAM.MSG.GET.${system.streamName}`, work);
}

async function publishRaw(system: TestSystem, messageId: string, body: string): Promise<void> {
  await jetstream(system.connection).publish(`${system.subjectPrefix}.orders`, body, { msgID: messageId });
}

async function messagesIn(system: TestSystem): Promise<number> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  return (await manager.streams.info(system.streamName)).state.messages;
}

const short = (outcomes: readonly PublishOutcome[]): unknown[] =>
  outcomes.map((outcome) => [outcome.status, outcome.status === 'unavailable' ? 0 : outcome.seq]);

describe('an event that is sent again', () => {
  it('is dropped when its payload is the same, and is in the stream as well when it differs', async () => {
    const system = await createTestSystem();
    const [one, other] = [gatewayOf(system), gatewayOf(system)];
    expect(short([await one.publish(event('a', '{"n":1}'))])).toEqual([['accepted', 1]]);
    for (const gateway of [one, other]) {
      expect(short([await gateway.publish(event('a', '{"n":1}', '2027-01-01T00:00:00Z'))])).toEqual([
        ['duplicate', 1],
      ]);
    }
    expect(short([await other.publish(event('a', '{"n":2}'))])).toEqual([['accepted', 2]]);
    expect(short([await one.publish(event('a', '{"n":2}'))])).toEqual([['duplicate', 2]]);
    expect(await messagesIn(system)).toBe(2);
  });

  it('is both in the stream, in order, when two payloads of it come at once', async () => {
    const system = await createTestSystem();
    const events = [event('a', '{"n":1}'), ...numbered(20), event('a', '{"n":2}'), event('a', '{"n":1}')];
    const answers = await gatewayOf(system).publishAll(events);
    const seqs = answers.map((outcome) => (outcome.status === 'unavailable' ? 0 : outcome.seq));
    expect(answers.map(({ status }) => status)).toEqual([...Array<string>(22).fill('accepted'), 'duplicate']);
    expect(seqs[0]).toBe(1);
    expect(seqs[21]).toBeGreaterThan(1);
    expect(seqs[22]).toBe(1);
  });

  it('reaches the stream though a direct producer, or a gateway of before, had it under an id without digest', async () => {
    const system = await createTestSystem();
    await publishRaw(system, 'orders:a', event('a').body);
    expect(short([await gatewayOf(system).publish(event('a'))])).toEqual([['accepted', 2]]);
    const before = gatewayOf(system, { digestSecret: undefined });
    expect(short([await before.publish(event('a'))])).toEqual([['duplicate', 1]]);
  });
});

describe('a duplicate of another gateway', () => {
  it('is known without an inspection when only gateways can write its message id', async () => {
    const system = await createTestSystem();
    const [one, other] = [gatewayOf(system), gatewayOf(system)];
    const first = await one.publishAll(numbered(50));
    let answers: PublishOutcome[] = [];
    expect(await readsOf(system, async () => (answers = await other.publishAll(numbered(50))))).toBe(0);
    expect(answers).toEqual(first.map((outcome) => ({ ...outcome, status: 'duplicate' })));
  });

  it('is inspected when the secret is not known, and is not believed when it is another payload', async () => {
    const system = await createTestSystem();
    const digestSecret = (): undefined => undefined;
    const forged = digestedMessageIdOf('orders', 'a', event('a', '{"n":1}').body, '');
    await publishRaw(system, forged, event('a', '{"n":2}').body);
    await publishRaw(system, digestedMessageIdOf('orders', 'b', event('b').body, ''), event('b').body);
    const gateway = gatewayOf(system, { digestSecret });
    const seen = await readsOf(system, async () => {
      expect(short([await gateway.publish(event('a', '{"n":1}'))])).toEqual([['accepted', 3]]);
      expect(short([await gateway.publish(event('b'))])).toEqual([['duplicate', 2]]);
    });
    expect(seen).toBe(2);
  });

  it('is not called one when it is the own try of this submission, whose answer was lost', async () => {
    const system = await createTestSystem();
    // The answer is taken from the connection before the publisher sees it, as a broken connection would.
    const connection = losingAnswers(system, 1);
    const gateway = gatewayOf({ ...system, connection }, { tryMsMax: 300 });
    expect(short([await gateway.publish(event('a'))])).toEqual([['accepted', 1]]);
    expect(await messagesIn(system)).toBe(1);
  });

  it('is not called one either when the answer to its whole batch was lost', async () => {
    const system = await createTestSystem();
    const connection = losingAnswers(system, 2);
    const gateway = gatewayOf({ ...system, connection }, { tryMsMax: 300 });
    const answers = await gateway.publishAll(numbered(30));
    expect(answers.map(({ status }) => status)).toEqual(Array<string>(30).fill('accepted'));
    expect(await messagesIn(system)).toBe(30);
  });
});

describe('repeats of what other gateways published', () => {
  it('are kept out of batches as soon as the gateways have heard of them from each other', async () => {
    const system = await createTestSystem();
    const [one, other] = [gatewayOf(system), gatewayOf(system)];
    const subject = `_INBOX.published.${system.streamName}`;
    const greeted = new Set<number>();
    let shared = 0;
    system.connection.subscribe(subject, {
      callback: (_, { data }) => {
        greeted.add(Buffer.from(data).readUInt32BE());
        if (data.length > 4) shared += 1;
      },
    });
    await waitFor(() => greeted.size === 2, { timeoutMs: 10_000, describe: 'both gateways to be there' });
    await one.publishAll(numbered(10));
    await waitFor(() => shared > 0, { timeoutMs: 5_000, describe: 'the ids to be shared' });
    const refused = await refusals(system, async () => {
      const answers = await other.publishAll([...numbered(100, 'new'), ...numbered(10)]);
      expect(answers.filter(({ status }) => status === 'duplicate')).toHaveLength(10);
    });
    expect(refused).toBe(0);
  });

  it('have the right outcome when gateways hear nonsense', async () => {
    const system = await createTestSystem();
    const gateway = gatewayOf(system);
    for (const length of [0, 1, 7, 9, 800]) {
      system.connection.publish(`_INBOX.published.${system.streamName}`, new Uint8Array(length).fill(length));
    }
    await system.connection.flush();
    const answers = await gateway.publishAll(numbered(50));
    expect(answers.map(({ status }) => status)).toEqual(Array<string>(50).fill('accepted'));
  });
});

/** Batches that the brokers refuse while something is done. */
async function refusals(system: TestSystem, work: () => Promise<unknown>): Promise<number> {
  let refused = 0;
  const subscription = system.connection.subscribe('_INBOX.>', {
    callback: (_, message) => {
      if (message.string().includes(`"err_code":${CONTAINS_DUPLICATE}`)) refused += 1;
    },
  });
  await work();
  await system.connection.flush();
  subscription.unsubscribe();
  return refused;
}

/** The connection of a system, whose first answers to publishes are lost. */
function losingAnswers({ connection }: TestSystem, count: number): TestSystem['connection'] {
  let left = count;
  return new Proxy(connection, {
    get(target, name) {
      if (name !== 'subscribe') {
        const value = Reflect.get(target, name) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return (subject: string, options: Parameters<typeof target.subscribe>[1]) =>
        target.subscribe(subject, {
          ...options,
          callback: (error, message) => {
            if (subject.endsWith('.*') && left-- > 0) return;
            void options?.callback?.(error, message);
          },
        });
    },
  });
}
