/**
 * What a source of deliveries must do, whether brokers or memory stand behind it. Run for each
 * implementation.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import type { Delivery } from '../delivery.js';
import { ROOM_BYTES, SourceFixture, type SourceImplementation, TIMEOUT_MS } from './source-fixture.js';

const ack = (delivery: Delivery): void => {
  delivery.ack();
};

/** By what an implementation does. */
const CASES: Readonly<Record<string, (fixture: SourceFixture) => Promise<void>>> = {
  'delivers in the order of the stream what was published': async (fixture) => {
    const { publish, source } = await fixture.begin();
    await publish('a', 'one', { 'Nats-Msg-Id': 'id-1' });
    await publish('b', 'two');
    const collected = fixture.open(ack);
    collected.session.request(10, ROOM_BYTES);
    const [first, second] = [await collected.at(0), await collected.at(1)];
    expect(collected.counts).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(first.subject).toMatch(/\.a$/);
    expect(second.subject).toMatch(/\.b$/);
    expect([first, second].map(({ data }) => Buffer.from(data).toString())).toEqual(['one', 'two']);
    expect([first.header('Nats-Msg-Id'), first.header('Other'), second.header('Nats-Msg-Id')]).toEqual([
      'id-1',
      undefined,
      undefined,
    ]);
    expect(JSON.parse(first.headersText() ?? '')).toEqual({ 'Nats-Msg-Id': ['id-1'] });
    expect(second.headersText()).toBeUndefined();
    expect(Buffer.from(first.headerBytes() ?? []).toString()).toBe('NATS/1.0\r\nNats-Msg-Id: id-1\r\n\r\n');
    expect(second.headerBytes()).toBeUndefined();
    expect(await source.publishedMs(1)).toBe(first.publishedAt.getTime());
    expect(await source.publishedMs(3)).toBeUndefined();
    expect(await source.lastSeq()).toBe(2);
  },
  'numbers its deliveries without a gap, also those that come again, and begins again after a reset': async (
    fixture,
  ) => {
    const { publish, source } = await fixture.begin();
    for (const body of ['1', '2', '3']) await publish('a', body);
    const collected = fixture.open((delivery) => {
      if (delivery.deliveryCount === 1) delivery.nak(1);
      else delivery.ack();
    });
    collected.session.request(6, ROOM_BYTES);
    await collected.at(5);
    const numbers = [0, 1, 2, 3, 4, 5].map(async (at) => (await collected.at(at)).deliveryNumber);
    expect(await Promise.all(numbers)).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await source.inspect())?.deliveryCount).toBe(6);
    await source.reset(2);
    expect((await source.inspect())?.deliveryCount).toBe(0);
  },
  'delivers no more than was requested, and knows what is still to come': async (fixture) => {
    await fixture.begin();
    const collected = fixture.open();
    expect(collected.session.quietMs).toBe(0);
    collected.session.request(3, ROOM_BYTES);
    collected.session.request(3, 2 * ROOM_BYTES);
    expect(collected.session.requested).toBe(3);
    await fixture.publish('1', '2', '3', '4');
    await collected.at(2);
    expect(collected.session.requested).toBe(0);
    await fixture.stateBecomes({ pending: 1, ackPending: 3, deliveredSeq: 3, ackFloorSeq: 0 });
    expect(collected.seqs).toEqual([1, 2, 3]);
    collected.session.request(1, ROOM_BYTES);
    await collected.at(3);
    expect(collected.seqs).toEqual([1, 2, 3, 4]);
  },
  'ends a request at the message that would exceed its bytes': async (fixture) => {
    const { publish } = await fixture.begin();
    const body = new Uint8Array(400_000);
    for (let n = 0; n < 8; n++) await publish('a', body);
    const collected = fixture.open(ack);
    collected.session.request(100, 1_000_000);
    expect(collected.session.requested).toBe(0);
    collected.session.request(100, 2_500_000);
    await waitFor(() => collected.pullsEnded === 1 && collected.seqs.length >= 5, {
      timeoutMs: TIMEOUT_MS,
      describe: 'the request to end',
    });
    expect(collected.seqs.length).toBeLessThanOrEqual(6);
    expect(collected.session.requested).toBe(0);
    collected.session.request(100, ROOM_BYTES);
    await collected.at(7);
    expect(collected.seqs).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  },
  'takes the first answer to a delivery, and ignores every later one': async (fixture) => {
    await fixture.begin(fixture.on.ackWaitMs);
    await fixture.publish('acked', 'terminated', 'handed back', 'left');
    const collected = fixture.open();
    collected.session.request(10, ROOM_BYTES);
    await collected.at(3);
    const [acked, terminated, handedBack] = collected.deliveries;
    acked?.ack();
    acked?.nak(1);
    terminated?.term('no reason');
    terminated?.working();
    handedBack?.nak(1);
    handedBack?.term('too late');
    // What is not answered comes again and again; by then the others would have come as well.
    await collected.at(6);
    expect(collected.counts.find(([seq, count]) => count > 1 && seq !== 4)).toEqual([3, 2]);
    expect(collected.seqs.slice(4).filter((seq) => seq < 3)).toEqual([]);
    for (const delivery of collected.deliveries.slice(4)) if (delivery.seq === 3) delivery.ack();
    await fixture.stateBecomes({ pending: 0, ackPending: 1, ackFloorSeq: 3 });
  },
  'delivers again what is not settled within the ack wait, unless progress is signalled': async (fixture) => {
    const { ackWaitMs } = fixture.on;
    await fixture.begin(ackWaitMs);
    await fixture.publish('alive', 'dead');
    let kept: Delivery | undefined;
    const beganMs = performance.now();
    const collected = fixture.open((delivery) => {
      if (delivery.seq === 1) kept ??= delivery;
    });
    const signals = setInterval(() => kept?.working(), ackWaitMs / 4).unref();
    collected.session.request(10, ROOM_BYTES);
    await collected.at(3);
    clearInterval(signals);
    expect(performance.now() - beganMs).toBeGreaterThan(1.5 * ackWaitMs);
    expect(collected.counts.filter(([seq]) => seq === 1)).toEqual([[1, 1]]);
    expect(collected.counts.filter(([seq]) => seq === 2)).toEqual([
      [2, 1],
      [2, 2],
      [2, 3],
    ]);
    kept?.ack();
    collected.deliveries.at(-1)?.ack();
    await fixture.stateBecomes({ ackPending: 0, ackFloorSeq: 2 });
  },
  'delivers again what was handed back, after its delay, and counts': async (fixture) => {
    await fixture.begin();
    await fixture.publish('later', 'at once');
    const delayMs = 500;
    const cameMs: number[] = [];
    const collected = fixture.open((delivery) => {
      cameMs.push(performance.now());
      if (delivery.deliveryCount > 1) delivery.ack();
      else delivery.nak(delivery.seq === 1 ? delayMs : 1);
    });
    collected.session.request(10, ROOM_BYTES);
    await collected.at(3);
    expect(collected.counts).toEqual([
      [1, 1],
      [2, 1],
      [2, 2],
      [1, 2],
    ]);
    expect((cameMs[3] ?? 0) - (cameMs[0] ?? 0)).toBeGreaterThanOrEqual(delayMs - 5);
  },
  'gives each message to one of the sessions that are open': async (fixture) => {
    await fixture.begin();
    const both = [fixture.open(ack), fixture.open(ack)];
    for (const { session } of both) session.request(5, ROOM_BYTES);
    await fixture.publish(...Array.from({ length: 10 }, (_, n) => `${n}`));
    await fixture.stateBecomes({ pending: 0, ackPending: 0, ackFloorSeq: 10 });
    expect(both.map(({ seqs }) => seqs.length)).toEqual([5, 5]);
    expect(both.flatMap(({ seqs }) => seqs).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  },
  'gives to the next session what the one before had handed back or left': async (fixture) => {
    await fixture.begin(fixture.on.ackWaitMs);
    await fixture.publish('handed back', 'left');
    const first = fixture.open();
    first.session.request(10, ROOM_BYTES);
    await first.at(1);
    first.session.close();
    first.deliveries[0]?.nak(1);
    const second = fixture.open(ack);
    second.session.request(10, ROOM_BYTES);
    await second.at(1);
    expect(second.counts).toEqual([
      [1, 2],
      [2, 2],
    ]);
    expect([first.lost, second.lost]).toEqual([[], []]);
  },
  'gives back at once what is delivered and unsettled, but for what is left out': async (fixture) => {
    const { source } = await fixture.begin();
    await fixture.publish('back', 'kept', 'settled');
    const collected = fixture.open();
    collected.session.request(10, ROOM_BYTES);
    (await collected.at(2)).ack();
    await fixture.stateBecomes({ ackPending: 2 });
    source.giveBack(1, 3, await fixture.state(), new Set([2]));
    await collected.at(3);
    await fixture.publish('fence');
    await collected.at(4);
    expect(collected.counts.slice(3)).toEqual([
      [1, 2],
      [4, 1],
    ]);
  },
  'begins again where it is put back to, as if nothing behind that was delivered': async (fixture) => {
    const { source, deleteMessage } = await fixture.begin();
    await fixture.publish('1', '2', '3', '4');
    const first = fixture.open(ack);
    first.session.request(3, ROOM_BYTES);
    await first.at(2);
    await fixture.stateBecomes({ ackPending: 0, ackFloorSeq: 3 });
    const { created } = await fixture.state();
    first.session.close();
    await deleteMessage(2);
    await source.reset(2);
    await fixture.stateBecomes({ created, pending: 2, ackPending: 0, deliveryCount: 0 });
    const second = fixture.open(ack);
    second.session.request(10, ROOM_BYTES);
    await second.at(1);
    expect(second.counts).toEqual([
      [3, 1],
      [4, 1],
    ]);
    await fixture.stateBecomes({ pending: 0, ackPending: 0, deliveredSeq: 4, ackFloorSeq: 4 });
  },
  'loses its session when the consumer is deleted, and then has no state': async (fixture) => {
    const { source, deleteConsumer } = await fixture.begin();
    const collected = fixture.open();
    collected.session.request(10, ROOM_BYTES);
    await source.flush();
    await deleteConsumer();
    await waitFor(() => collected.lost.length > 0, { timeoutMs: TIMEOUT_MS, describe: 'the loss' });
    expect(collected.lost).toHaveLength(1);
    expect(await source.inspect()).toBeUndefined();
    const late = fixture.open();
    late.session.request(10, ROOM_BYTES);
    await waitFor(() => late.lost.length > 0, { timeoutMs: TIMEOUT_MS, describe: 'the second loss' });
  },
  'says once that a session is lost, and nothing of one that is closed': async (fixture) => {
    await fixture.begin();
    const [lost, closed] = [fixture.open(), fixture.open()];
    lost.session.lose('a doubt');
    lost.session.lose('another doubt');
    closed.session.close();
    closed.session.lose('a doubt');
    expect([lost.lost, closed.lost]).toEqual([['a doubt'], []]);
    await fixture.publish('1');
    for (const { session } of [lost, closed]) session.request(10, ROOM_BYTES);
    const third = fixture.open(ack);
    third.session.request(10, ROOM_BYTES);
    await third.at(0);
    expect([lost.seqs, closed.seqs, third.counts]).toEqual([[], [], [[1, 1]]]);
  },
};

/** Holds an implementation to the contract of `DeliverySource`. */
export function sourceConformance(name: string, open: () => Promise<SourceImplementation>): void {
  describe(name, () => {
    let fixture: SourceFixture;
    beforeAll(async () => {
      fixture = new SourceFixture(await open());
    });
    afterEach(() => {
      fixture.end();
    });
    afterAll(async () => {
      await fixture.on.dispose();
    });

    it.each(Object.entries(CASES))('%s', async (_name, run) => {
      await run(fixture);
    });
  });
}
