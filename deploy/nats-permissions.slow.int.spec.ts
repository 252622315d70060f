/** What the brokers of a deployment allow each user, and nothing else. The programs need no more. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { errors, headers } from '@nats-io/nats-core';
import { createUser } from '@nats-io/nkeys';
import { type BrokerAddress, connectBroker, jetStreamApi } from '#broker';
import { drawFreePorts } from '#local-cluster';
import {
  createTestSystem,
  sharedServers,
  startApp,
  waitFor,
  type BrokerConnection,
  type TestSystem,
} from '#testing';
import { sekali } from './test/command-line.js';
import { makeSecrets, type NatsUser, SecuredCluster } from './test/secured-cluster.js';

const START_MS_MAX = 90_000;
const ANSWER_MS_MAX = 1_000;
/** JetStream is not enabled for the account; it has no such stream. */
const NOTHING_HERE = /"err_code":(?:10039|10059)\b/;

/** Requests to JetStream, by what they would do. Each is harmless where it is allowed. */
const REQUESTS = {
  'inspect the stream': 'STREAM.INFO.EVENTS',
  'inspect the consumer': 'CONSUMER.INFO.EVENTS.store',
  'inspect the account': 'INFO',
  'list streams': 'STREAM.LIST',
  'read a message': 'STREAM.MSG.GET.EVENTS',
  'read a message from a replica': 'DIRECT.GET.EVENTS',
  'read the last of a subject': 'DIRECT.GET.EVENTS.events.orders',
  'make the stream': 'STREAM.CREATE.EVENTS',
  'make another stream': 'STREAM.CREATE.OTHERS',
  'change the stream': 'STREAM.UPDATE.EVENTS',
  'delete the stream': 'STREAM.DELETE.EVENTS',
  'empty the stream': 'STREAM.PURGE.EVENTS',
  'delete a message': 'STREAM.MSG.DELETE.EVENTS',
  'copy the stream out': 'STREAM.SNAPSHOT.EVENTS',
  'copy a stream in': 'STREAM.RESTORE.EVENTS',
  'move the leader of the stream': 'STREAM.LEADER.STEPDOWN.EVENTS',
  'remove a copy of the stream': 'STREAM.PEER.REMOVE.EVENTS',
  'make or change the consumer': 'CONSUMER.CREATE.EVENTS.store',
  'make or change the consumer, the older way': 'CONSUMER.DURABLE.CREATE.EVENTS.store',
  'make another consumer': 'CONSUMER.CREATE.EVENTS.others',
  'make a consumer without a name': 'CONSUMER.CREATE.EVENTS',
  'delete the consumer': 'CONSUMER.DELETE.EVENTS.store',
  'pause the consumer': 'CONSUMER.PAUSE.EVENTS.store',
  'begin again with the consumer': 'CONSUMER.RESET.EVENTS.store',
  'move the leader of the consumer': 'CONSUMER.LEADER.STEPDOWN.EVENTS.store',
  'take a delivery': 'CONSUMER.MSG.NEXT.EVENTS.store',
  'inspect the balances': 'CONSUMER.INFO.EVENTS.balances',
  'make the balances': 'CONSUMER.CREATE.EVENTS.balances.events.payments.>',
  'make the balances, of all events': 'CONSUMER.CREATE.EVENTS.balances',
  'make the balances, of other events': 'CONSUMER.CREATE.EVENTS.balances.events.>',
  'make the balances, the older way': 'CONSUMER.DURABLE.CREATE.EVENTS.balances',
  'delete the balances': 'CONSUMER.DELETE.EVENTS.balances',
  'pause the balances': 'CONSUMER.PAUSE.EVENTS.balances',
  'begin again with the balances': 'CONSUMER.RESET.EVENTS.balances',
  'move the leader of the balances': 'CONSUMER.LEADER.STEPDOWN.EVENTS.balances',
  'take a payment': 'CONSUMER.MSG.NEXT.EVENTS.balances',
  'move the leader of all': 'META.LEADER.STEPDOWN',
  'remove a broker': 'SERVER.REMOVE',
};

/** Other messages that a user might send. */
const MESSAGES = {
  'publish an event': 'events.orders',
  'publish under another prefix': 'others.orders',
  'acknowledge a delivery': '$JS.ACK.EVENTS.store.1.1.1.1.0',
  'acknowledge a payment': '$JS.ACK.EVENTS.balances.1.1.1.1.0',
  "acknowledge another consumer's delivery": '$JS.ACK.EVENTS.others.1.1.1.1.0',
  'ask the servers': '$SYS.REQ.SERVER.PING',
};

/** Subjects that a user might subscribe to. */
const LISTENINGS = [
  '>',
  'events.>',
  'events.orders',
  '$JS.>',
  '$JS.API.>',
  'SEKALI.API.>',
  '$JS.ACK.>',
  '$JS.EVENT.ADVISORY.>',
  '$SYS.>',
  '_INBOX.>',
  '_INBOX_producer.>',
  '_INBOX_gateway.>',
  '_INBOX_worker.>',
  '_INBOX_setup.>',
  '_INBOX_amend.>',
  '_INBOX_monitoring.>',
  '_INBOX_recovery.>',
  '_INBOX_accounts.>',
];

type Sending = keyof typeof REQUESTS | keyof typeof MESSAGES;

const MAY: Record<Exclude<NatsUser, 'system'>, Sending[]> = {
  producer: ['publish an event'],
  gateway: [
    'inspect the stream',
    'inspect the consumer',
    'read a message',
    'read a message from a replica',
    'publish an event',
  ],
  worker: [
    'inspect the stream',
    'inspect the consumer',
    'read a message',
    'read a message from a replica',
    'begin again with the consumer',
    'move the leader of the consumer',
    'take a delivery',
    'acknowledge a delivery',
  ],
  setup: [
    'inspect the stream',
    'inspect the consumer',
    'read a message',
    'make the stream',
    'make or change the consumer',
    'make or change the consumer, the older way',
    'begin again with the consumer',
    'inspect the balances',
    'make the balances',
    'begin again with the balances',
  ],
  amend: [
    'inspect the stream',
    'inspect the consumer',
    'read a message',
    'make the stream',
    'change the stream',
    'make or change the consumer',
    'make or change the consumer, the older way',
    'begin again with the consumer',
  ],
  monitoring: [
    'inspect the stream',
    'inspect the consumer',
    'read a message',
    'read a message from a replica',
  ],
  recovery: ['inspect the consumer', 'delete the consumer', 'inspect the balances', 'delete the balances'],
  accounts: [
    'inspect the stream',
    'read a message',
    'inspect the balances',
    'begin again with the balances',
    'take a payment',
    'acknowledge a payment',
  ],
};
const USERS = Object.keys(MAY) as (keyof typeof MAY)[];

let cluster: SecuredCluster;
let system: TestSystem;
/** The environment of a program that runs as a user. */
let environmentOf: (user: NatsUser) => Record<string, string>;

beforeAll(async () => {
  cluster = await SecuredCluster.start();
  system = await createTestSystem();
  environmentOf = (user) => ({
    ...cluster.environmentOf(user),
    SEKALI_POSTGRES_URL: system.postgresUrl,
    SEKALI_HTTP_PORT: '0',
  });
  await startApp('setup', environmentOf('setup'));
  await startApp('accounts', environmentOf('setup'), { program: 'src/prepare.js' });
}, START_MS_MAX);

afterAll(async () => {
  await cluster.stop();
});

async function as<T>(user: NatsUser, work: (connection: BrokerConnection) => Promise<T>): Promise<T> {
  const connection = await connectBroker(cluster.addressOf(user), { waitForFirst: false });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

const isViolation = (error: unknown): boolean => {
  const { name, cause } = error as { name?: string; cause?: { name?: string } };
  return name === 'PermissionViolationError' || cause?.name === 'PermissionViolationError';
};

/** Whether a request reaches a responder, whatever its answer. */
async function maySend(connection: BrokerConnection, subject: string): Promise<boolean> {
  // Empty requests that are allowed are refused for what they lack, or find nothing. Requests that would move or delete
  // the consumer are refused for an unknown member.
  const body = subject.includes('MSG.NEXT')
    ? '{"batch":1,"no_wait":true}'
    : /CONSUMER\.(?:DELETE|RESET|LEADER\.STEPDOWN)/.test(subject)
      ? '{"not":"empty"}'
      : '{}';
  return connection.request(subject, body, { timeout: ANSWER_MS_MAX }).then(
    // An account without JetStream still has its API, which answers only this about itself and its streams, or nothing.
    (answer) => !NOTHING_HERE.test(answer.string()),
    // A request that an account has not imported is answered at once with "no responders". A consumer's reset is not
    // answered when the broker that receives it leads the consumer.
    (error: unknown) =>
      subject.startsWith('SEKALI.API.') && !(error instanceof errors.RequestError && error.isNoResponders()),
  );
}

/** Names of what may be sent, in the order given. */
async function maySendOf(
  connection: BrokerConnection,
  sendings: readonly (readonly [name: string, subject: string])[],
): Promise<string[]> {
  const allowed = await Promise.all(sendings.map(([, subject]) => maySend(connection, subject)));
  return sendings.filter((_, index) => allowed[index]).map(([name]) => name);
}

async function mayListen(connection: BrokerConnection, subject: string): Promise<boolean> {
  let refused = false;
  const subscription = connection.subscribe(subject, {
    callback: (error) => {
      refused ||= isViolation(error);
    },
  });
  // The broker's refusal arrives before the answer to this.
  await connection.flush();
  subscription.unsubscribe();
  return !refused;
}

describe.each(USERS)('the user %s', (user) => {
  it('may send this, and nothing else', async () => {
    const requests = Object.entries(REQUESTS);
    const allowed = await as(user, async (connection) => {
      const seen = [];
      for (const [name, request] of requests) {
        if (await maySend(connection, `SEKALI.API.${request}`)) seen.push(name);
      }
      for (const [name, subject] of Object.entries(MESSAGES)) {
        if (await maySend(connection, subject)) seen.push(name);
      }
      // Even an allowed request does not pass under its name in the stream's account. Most of these have no answer.
      const past = requests.map(([name, request]) => [`${name}, past it`, `$JS.API.${request}`] as const);
      return [...seen, ...(await maySendOf(connection, past))];
    });
    expect(allowed).toEqual(MAY[user]);
  });

  it('hears its own answers, and nothing else', async () => {
    const allowed = await as(user, async (connection) => {
      const seen = [];
      for (const subject of LISTENINGS) if (await mayListen(connection, subject)) seen.push(subject);
      return seen;
    });
    expect(allowed).toEqual([`_INBOX_${user}.>`]);
  });
});

describe('a connection', () => {
  it('without TLS is ended before it is heard', async () => {
    const socket = connectTcp(cluster.brokers[0]?.port ?? 0, '127.0.0.1');
    let heard = '';
    socket.on('data', (chunk) => (heard += chunk.toString())).on('error', () => undefined);
    await waitFor(() => heard.includes('\r\n'), {
      timeoutMs: 20_000,
      describe: 'the greeting of the broker',
    });
    socket.write('CONNECT {"verbose":true}\r\nPING\r\n');
    await once(socket, 'close');
    expect(JSON.parse(heard.replace(/^INFO |\r\n[^]*$/g, ''))).toMatchObject({ tls_required: true });
    expect(heard).not.toMatch(/\+OK|PONG/);
  });

  it('to a broker without TLS is refused by a program that knows an authority', async () => {
    const urls = sharedServers().natsUrls.join(',');
    expect(await refusalOf({ ...cluster.addressOf('gateway'), urls })).toMatch(/tls/i);
  });

  it('to a broker of another deployment is refused by the program', async () => {
    const other = await makeSecrets(join(cluster.secrets, 'other'));
    const address = { ...cluster.addressOf('gateway'), caFile: join(other, 'ca.crt') };
    expect(await refusalOf(address)).toMatch(/certificate/i);
  });

  it.each<[string, () => string | undefined]>([
    ['without a key', () => undefined],
    ['with an unknown key', () => unknownKey()],
  ])('%s is refused by the broker', async (_, nkeyFile) => {
    const address = { ...cluster.addressOf('gateway'), nkeyFile: nkeyFile() };
    expect(await refusalOf(address)).toMatch(/authorization violation/i);
  });
});

describe('a program', () => {
  it('that the brokers do not know says so and ends, although it waits for brokers that do not answer', async () => {
    const environment = { ...environmentOf('setup'), SEKALI_NATS_NKEY_FILE: unknownKey() };
    await expect(startApp('setup', environment)).rejects.toThrow(/authorization violation/i);
  });

  it('that the brokers forgot for a while is connected again when they know it', async () => {
    await as('worker', async (connection) => {
      let refusals = 0;
      void (async () => {
        for await (const status of connection.status()) {
          if (status.type === 'error' && status.error.name === 'AuthorizationError') refusals += 1;
        }
      })();
      const stranger = createUser().getPublicKey();
      cluster.changeUsers((text) => text.replace(/^WORKER_NKEY: .*$/m, `WORKER_NKEY: ${stranger}`));
      await waitFor(() => refusals > 3, { timeoutMs: 20_000, describe: 'each broker to refuse the worker' });
      cluster.changeUsers((text) => text);
      await waitFor(() => maySend(connection, 'SEKALI.API.CONSUMER.INFO.EVENTS.store'), {
        timeoutMs: 20_000,
        describe: 'the worker to be connected again',
      });
      expect(connection.isClosed()).toBe(false);
    });
  });
});

/** Why a connection is refused. */
async function refusalOf(address: BrokerAddress): Promise<string> {
  try {
    const connection = await connectBroker(address, { waitForFirst: false });
    await connection.close();
    return 'connected';
  } catch (error) {
    return String(error);
  }
}

function unknownKey(): string {
  const file = join(cluster.secrets, 'unknown.nkey');
  writeFileSync(file, createUser().getSeed());
  return file;
}

describe('a broker', () => {
  it.each<[string, (others: string) => string]>([
    ['of another deployment', (others) => join(others, 'nats-3')],
    ['that shows the certificate of Postgres', () => join(cluster.secrets, 'postgres')],
  ])('%s cannot join', async (what, certificateOf) => {
    const others = await makeSecrets(join(cluster.secrets, 'others'));
    const [first] = cluster.brokers;
    if (first === undefined) throw new Error('there is no broker');
    const before = first.log().length;
    const [routePort] = (await drawFreePorts(1)) as [number];
    const intruder = await cluster.startBroker({
      name: `nats-${what.length}`,
      routePort,
      routePorts: [first.routePort],
      certificate: certificateOf(others),
    });
    await waitFor(() => first.log().slice(before).includes('TLS route handshake error'), {
      timeoutMs: 15_000,
      describe: 'the intruder to be turned away',
    });
    expect(await first.peers()).toEqual(['nats-2', 'nats-3']);
    expect(await intruder.peers()).toEqual([]);
  });
});

interface Statistics {
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
  readonly in_flight: number;
  readonly dead_letters: number;
}

describe('the whole way', () => {
  it('works with exactly these users', async () => {
    const logsBefore = cluster.brokers.map((broker) => broker.log().length);
    const [gateway] = await Promise.all([
      startApp('gateway', environmentOf('gateway')),
      startApp('worker', environmentOf('worker')),
    ]);
    const event = (id: string): object => ({
      topic: 'orders.created',
      event_id: id,
      timestamp: '2026-11-22T10:00:00Z',
      source: 'test',
      payload: { id },
    });
    await waitFor(async () => (await fetch(`${gateway.url}/health/ready`)).ok, {
      timeoutMs: 30_000,
      describe: 'the gateway to reach the brokers',
    });
    await publishOverHttp(gateway.url, [event('a'), event('b'), event('a')]);
    await as('producer', async (connection) => {
      const named = headers();
      named.set('Nats-Msg-Id', 'orders.created:b#again');
      const ack = await connection.request('events.orders.created', JSON.stringify(event('b')), {
        timeout: 5_000,
        headers: named,
      });
      expect(ack.json()).toMatchObject({ stream: 'EVENTS' });
    });
    // This includes a duplicate at the brokers. A gateway reads the message to see what it duplicates.
    await publishOverHttp(gateway.url, [event('b')]);
    await waitFor(
      async () => {
        const stats = await statsOf(gateway.url);
        return stats.unique_processed === 2 && stats.duplicate_dropped === 3 && stats.in_flight === 0;
      },
      { timeoutMs: 20_000, describe: 'two events to be stored and three repeats dropped' },
    );
    const audit = await sekali(environmentOf('monitoring'), 'audit', '--json');
    expect(JSON.parse(audit.output)).toMatchObject({ verdict: 'whole' });
    // No program even tried more than it may.
    const logs = cluster.brokers.map((broker, index) => broker.log().slice(logsBefore[index]));
    expect(logs.join('')).not.toMatch(/violation/i);
  });

  it('is not held up by a message without anything in it, which ends what a pull is answered', async () => {
    const gateway = await startApp('gateway', environmentOf('gateway'));
    await startApp('worker', environmentOf('worker'));
    const given = async (): Promise<number> => (await statsOf(gateway.url)).dead_letters;
    const before = await given();
    for (let round = 1; round <= 5; round += 1) {
      await as('producer', (connection) => connection.request('events.orders', '', { timeout: 5_000 }));
      await waitFor(async () => (await given()) === before + 2 * round - 1, {
        timeoutMs: 10_000,
        describe: 'the empty message to be a dead letter',
      });
      // It runs at once, while the brokers may still deliver to the pull that they have ended.
      await as('producer', (connection) => connection.request('events.orders', '-', { timeout: 5_000 }));
      // The time is less than the ack wait, after which the message would come again.
      await waitFor(async () => (await given()) === before + 2 * round, {
        timeoutMs: 10_000,
        describe: 'the next message to be a dead letter',
      });
    }
    expect(await given()).toBe(before + 10);
  });

  it('begins again with the user who may forget the consumer, and no other', async () => {
    const consumer = async (): Promise<string> =>
      as('monitoring', async (connection) => {
        const manager = await jetStreamApi(connection);
        return (await manager.consumers.info('EVENTS', 'store')).created;
      });
    const before = await consumer();
    expect(await sekali(environmentOf('setup'), 'rewind')).toMatchObject({ code: 2 });
    expect(await consumer()).toBe(before);
    const database = { SEKALI_POSTGRES_URL: '' };
    expect(await sekali({ ...environmentOf('recovery'), ...database }, 'rewind')).toMatchObject({ code: 0 });
    await startApp('setup', environmentOf('setup'));
    expect(await consumer()).not.toBe(before);
    const audit = await sekali(environmentOf('monitoring'), 'audit', '--wait', '30', '--json');
    expect(JSON.parse(audit.output)).toMatchObject({ verdict: 'whole', in_flight: { count: 0 } });
  });
});

async function statsOf(url: string): Promise<Statistics> {
  return (await (await fetch(`${url}/stats`)).json()) as Statistics;
}

async function publishOverHttp(url: string, events: object[]): Promise<void> {
  const answer = await fetch(`${url}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  expect(answer.status).toBe(202);
}
