import { describe, expect, it } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { EmptyBrokers, type JoiningBroker } from './empty-brokers.js';

interface Broker extends JoiningBroker {
  isEmpty: boolean;
  isLed: boolean;
  pid: number | undefined;
  adopted: boolean;
}

function brokers(...empty: boolean[]): {
  all: Broker[];
  order: EmptyBrokers;
  start: (broker: Broker) => Promise<void>;
} {
  const all: Broker[] = empty.map((isEmpty, index): Broker => ({
    isEmpty,
    monitorPort: index,
    isLed: false,
    pid: undefined,
    adopted: false,
    adoptLog() {
      return (this.adopted = true);
    },
  }));
  const order = new EmptyBrokers(
    () => all,
    (broker) => Promise.resolve((broker as Broker).isLed),
  );
  const start = async (broker: Broker): Promise<void> => {
    await order.awaitTurn(broker);
    broker.pid = 1;
    // The broker creates an empty log at once.
    broker.isEmpty = false;
  };
  return { all, order, start };
}

describe('brokers that start', () => {
  it('do not wait when all are empty: the cluster is new', async () => {
    const { all, start } = brokers(true, true, true);
    await Promise.all(all.map((broker) => new EmptyBrokers(() => all).awaitTurn(broker)));
    await start(all[0] as Broker);
    expect(all[0]?.pid).toBe(1);
  });

  it('do not wait when they kept their logs, even while others join', async () => {
    const { all, start } = brokers(true, true, false);
    await start(all[0] as Broker);
    await start(all[2] as Broker);
    expect(all.map(({ pid }) => pid)).toEqual([1, undefined, 1]);
  });

  it('join one after the other when they are empty and another one is not', async () => {
    const { all, start } = brokers(true, true, false);
    const [one, two] = all as [Broker, Broker];
    await start(one);
    expect(one.adopted).toBe(true);
    let isOver = false;
    const second = start(two).then(() => (isOver = true));
    for (let turns = 0; turns < 50; turns += 1) await turn();
    expect(isOver).toBe(false);
    one.isLed = true;
    await second;
    expect(two.pid).toBe(1);
    // By then a majority knows the streams.
    expect(two.adopted).toBe(false);
  });

  it('do not wait for one that has ended again', async () => {
    const { all, start } = brokers(true, true, false);
    const [one, two] = all as [Broker, Broker];
    await start(one);
    one.pid = undefined;
    await start(two);
    expect(two.pid).toBe(1);
  });

  it('wait no longer when they are stopped', async () => {
    const { all, order, start } = brokers(true, true, false);
    await start(all[0] as Broker);
    const stopping = new AbortController();
    const waits = order.awaitTurn(all[1] as Broker, stopping.signal);
    stopping.abort(new Error('stopped'));
    await expect(waits).rejects.toThrow('stopped');
  });
});
