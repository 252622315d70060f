/**
 * A relay dies at every await, before what it waits for was done and after it. Another relay takes over each time: every
 * committed event is published, in order, and none that was rolled back.
 */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type pg from 'pg';
import { waitFor } from '#testing';
import type { StreamEventPublisher } from '../producer/stream-event-publisher.js';
import type { EventPublisher } from '../producer/event-publisher.js';
import { OutboxFixture } from '../test/outbox-fixture.js';
import { streamEvents } from '../test/stream-events.js';
import type { Outbox } from './outbox.js';
import { OutboxRelay } from './outbox-relay.js';
import type { RelayEvent } from './relay-report.js';

/** A round has fewer steps. Those after it are of an idle relay. */
const STEPS = 30;

let fixture: OutboxFixture;
let pool: pg.Pool;
let outbox: Outbox;
let publisher: StreamEventPublisher;

beforeAll(async () => {
  fixture = await OutboxFixture.create({ eventBytesMax: 2_000_000 });
  ({ pool, outbox } = fixture);
  publisher = fixture.openPublisher();
});

afterAll(() => fixture.dispose());

type Moment = 'before' | 'after';

/** The pool and the publisher of a relay that dies at one step: its session ends, and no step of it comes after. */
class Mortal {
  private step = 0;
  private processId = 0;
  private end = (): void => undefined;
  /** Resolves with what it was doing when it is dead. */
  readonly died: Promise<string>;
  private diedOf: (what: string) => void = () => undefined;

  constructor(
    private readonly at: number,
    private readonly moment: Moment,
  ) {
    this.died = new Promise((resolve) => (this.diedOf = resolve));
  }

  readonly pool = {
    connect: async () => {
      const client = await pool.connect();
      this.processId = (client as unknown as { processID: number }).processID;
      const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
      const mortal = (statement: string | { text: string }, values?: unknown[]): Promise<unknown> => {
        const { text } = typeof statement === 'string' ? { text: statement } : statement;
        return this.take(text.trim().slice(0, 40), () => query(statement, values));
      };
      this.end = () => {
        client.release(true);
      };
      return new Proxy(client, {
        get: (target, name) => {
          const value = Reflect.get(target, name, target) as unknown;
          if (name === 'query') return mortal;
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    },
  } as unknown as pg.Pool;

  readonly publisher = {
    sendInOrder: (events: Parameters<EventPublisher['sendInOrder']>[0]) =>
      this.take('publish', () => publisher.sendInOrder(events)),
  } as unknown as EventPublisher;

  private async take<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.step += 1;
    const isLast = this.step === this.at;
    if (this.step > this.at) return new Promise(() => undefined);
    if (!isLast || this.moment === 'after') {
      const result = await work();
      if (!isLast) return result;
    }
    await pool.query('SELECT pg_terminate_backend($1)', [this.processId]);
    this.end();
    this.diedOf(what);
    return new Promise(() => undefined);
  }
}

const steps = Array.from({ length: STEPS }, (_, n) => n + 1);
const seenSteps = new Set<string>();

it.each(steps.flatMap((at) => [[at, 'before'] as const, [at, 'after'] as const]))(
  'loses nothing and invents nothing when a relay dies at step %i, %s it',
  async (at, moment) => {
    const topic = `kill.${at}.${moment}`;
    const add = (
      ids: readonly string[],
      end: 'COMMIT' | 'ROLLBACK' = 'COMMIT',
      payload = {},
    ): Promise<void> =>
      fixture.inTransaction(
        (client) =>
          outbox.addAll(
            client,
            ids.map((id) => ({ topic, id, payload })),
          ),
        end,
      );
    await add(['a', 'b']);
    await add(['never'], 'ROLLBACK');
    await add(['large'], 'COMMIT', { text: 'x'.repeat(1_100_000) });
    await add(['c']);
    const mortal = new Mortal(at, moment);
    const dying = new OutboxRelay({ outbox, pool: mortal.pool, publisher: mortal.publisher, pollMs: 50 });
    dying.start();
    seenSteps.add(await mortal.died);
    await add(['d']);
    const events: RelayEvent[] = [];
    const relay = fixture.startRelay({ publisher, observe: (event) => void events.push(event) });
    const ids = async (): Promise<string[]> =>
      (await streamEvents(fixture.system)).filter((event) => event.topic === topic).map(({ id }) => id);
    await waitFor(async () => (await ids()).length >= 4, {
      timeoutMs: 30_000,
      describe: `four events of ${topic}`,
    });
    await relay.stop();
    expect(await ids()).toEqual(['a', 'b', 'c', 'd']);
    const dead = (await outbox.deadLetters(pool)).filter((one) => one.topic === topic);
    expect(dead.map(({ eventId, state }) => [eventId, state])).toEqual([['large', 'dead']]);
    await outbox.drop(
      pool,
      dead.map(({ number }) => number),
    );
  },
);

it('has died at every kind of step', () => {
  const kinds = [
    'SET SESSION',
    'SELECT pg_try',
    'SELECT passed',
    'SELECT ended_before',
    'publish',
    'UPDATE',
    'SELECT pg_try_advisory_lock',
    'WITH aside',
  ];
  for (const kind of kinds) expect([...seenSteps].some((step) => step.startsWith(kind))).toBe(true);
});
