/**
 * The brokers send an answer to any address that its request names. So here every user directs answers to every
 * administrative request, under every possible name, and none may have an effect.
 */
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Msg, type MsgHdrs, headers, nuid } from '@nats-io/nats-core';
import { connectBroker, type ConsumerInfo, jetStreamApi } from '#broker';
import { createTestSystem, startApp, waitFor, type BrokerConnection } from '#testing';
import { ACKNOWLEDGEMENTS, ADMINISTRATIVE_REQUESTS } from './test/administrative-requests.js';
import { type NatsUser, SecuredCluster } from './test/secured-cluster.js';

const START_MS_MAX = 90_000;
/** How often the state is inspected after the answers, which takes some milliseconds. The brokers answer in between. */
const INSPECTIONS = 30;
/** A busy machine has elections of its own, several in a row. A request that moves a leader does so in each round. */
const ROUNDS_MAX = 5;
const TEST_MS_MAX = 180_000;
const MESSAGES = 20;
/**
 * How long to wait for an answer before the request is repeated. Before nats-server 2.14.3, a traced message may end the
 * connection between two brokers. It is restored within a second, but answers on their way are lost.
 */
const ANSWER_MS_MAX = 2_000;

type User = Exclude<NatsUser, 'system'>;

/** A message that makes the brokers answer. */
interface Question {
  readonly subject: string;
  readonly body: string;
  readonly header?: () => MsgHdrs;
}

const API_PREFIXES = ['$JS.API', 'SEKALI.API'];
/** The addresses of the answers. */
const TARGETS = [
  ...API_PREFIXES.flatMap((prefix) => ADMINISTRATIVE_REQUESTS.map((request) => `${prefix}.${request}`)),
  // The name under which a broker of a domain knows them.
  ...ADMINISTRATIVE_REQUESTS.map((request) => `$JS.hub.API.${request}`),
  '$SYS.REQ.SERVER.PING',
  '$SYS.REQ.ACCOUNT.SEKALI.CONNZ',
];

/**
 * Every way to make the brokers answer, by what they answer. Each is sent under both names, one of which may be
 * unknown.
 */
const ask = (request: string, body: string): Question[] =>
  API_PREFIXES.map((prefix) => ({ subject: `${prefix}.${request}`, body }));
const event = (body: string, entries: () => Record<string, string>): Question[] => [
  {
    subject: 'events.orders',
    body,
    header: () => {
      const header = headers();
      for (const [name, value] of Object.entries(entries())) header.set(name, value);
      return header;
    },
  },
];
const next = (body: string): Question[] => ask('CONSUMER.MSG.NEXT.EVENTS.store', body);
const inspections: Record<string, Question[]> = {
  'what the stream is': ask('STREAM.INFO.EVENTS', ''),
  'what the consumer is': ask('CONSUMER.INFO.EVENTS.store', ''),
  'that the request is wrong': ask('STREAM.INFO.EVENTS', '{not json'),
  'a message': ask('STREAM.MSG.GET.EVENTS', '{"seq":1}'),
  'that there is no such message': ask('STREAM.MSG.GET.EVENTS', '{"seq":999999}'),
  'an empty message itself': ask('DIRECT.GET.EVENTS', '{"seq":1}'),
  'that there is no such message to send': ask('DIRECT.GET.EVENTS', '{"seq":999999}'),
};
const NOTHING_YET = 'nothing yet, as more of a batch comes';
const publishes: Record<string, Question[]> = {
  'that it has the message': event('not an event', () => ({})),
  'that it has had it': event('not an event', () => ({ 'Nats-Msg-Id': 'again' })),
  'that it does not take it': event('', () => ({ 'Nats-Expected-Last-Sequence': '999999' })),
  [NOTHING_YET]: event('', () => ({
    'Nats-Batch-Id': nuid.next(),
    'Nats-Batch-Sequence': '1',
  })),
  'that the batch has a gap': event('', () => ({ 'Nats-Batch-Id': nuid.next(), 'Nats-Batch-Sequence': '7' })),
};
const payments: Record<string, Question[]> = {
  'what its consumer is': ask('CONSUMER.INFO.EVENTS.balances', ''),
  'that there is no payment': ask('CONSUMER.MSG.NEXT.EVENTS.balances', '{"batch":1,"no_wait":true}'),
  'that its pull is wrong': ask('CONSUMER.MSG.NEXT.EVENTS.balances', '{"batch":-1}'),
  'that its pull is over, after a heartbeat': ask(
    'CONSUMER.MSG.NEXT.EVENTS.balances',
    '{"batch":1,"expires":500000000,"idle_heartbeat":100000000}',
  ),
  'that its consumer cannot begin again there': ask('CONSUMER.RESET.EVENTS.balances', '{"not":"known"}'),
};
const settings = { name: 'EVENTS', subjects: ['events.>'] };
const definitions: Record<string, Question[]> = {
  'that the stream is another': ask('STREAM.CREATE.EVENTS', JSON.stringify(settings)),
  'that the consumer is wrong': ask('CONSUMER.CREATE.EVENTS.store', '{"stream_name":"EVENTS","config":{}}'),
  'that it cannot begin again there': ask('CONSUMER.RESET.EVENTS.store', '{"not":"known"}'),
};

const QUESTIONS: Record<User, Record<string, Question[]>> = {
  // These come first, while the consumer has nothing to deliver.
  worker: {
    ...inspections,
    'that there is nothing': next('{"batch":1,"no_wait":true}'),
    'that the pull is wrong': next('{"batch":-1}'),
    'that the pull is malformed': next('{not json'),
    'that the pull is over, after a heartbeat': next(
      '{"batch":1,"expires":500000000,"idle_heartbeat":100000000}',
    ),
    'that it heard': ['$JS.ACK.EVENTS.store.1.900000.900000.1.0'].map((subject) => ({
      subject,
      body: '+WPI',
    })),
    'that it cannot begin again there': definitions['that it cannot begin again there'] ?? [],
  },
  producer: publishes,
  gateway: { ...publishes, ...inspections },
  setup: { ...inspections, ...definitions },
  amend: {
    ...inspections,
    ...definitions,
    'that nothing is to be changed': ask('STREAM.UPDATE.EVENTS', '{}'),
  },
  monitoring: inspections,
  accounts: { ...inspections, ...payments },
  recovery: {
    ...inspections,
    'that it does not delete like this': ask('CONSUMER.DELETE.EVENTS.store', '{"a":1}'),
  },
};
const USERS = Object.keys(QUESTIONS) as User[];

let cluster: SecuredCluster;
const connections = new Map<User, BrokerConnection>();

beforeAll(async () => {
  cluster = await SecuredCluster.start();
  const { postgresUrl } = await createTestSystem();
  await startApp('setup', {
    ...cluster.environmentOf('setup'),
    SEKALI_POSTGRES_URL: postgresUrl,
    // A delivery to an administrative address is repeated after this.
    SEKALI_ACK_WAIT_MS: '5000',
  });
  await startApp(
    'accounts',
    { ...cluster.environmentOf('setup'), SEKALI_POSTGRES_URL: postgresUrl },
    { program: 'src/prepare.js' },
  );
  for (const user of USERS) {
    connections.set(user, await connectBroker(cluster.addressOf(user), { waitForFirst: false }));
  }
  // The first message is empty. The worst requests accept an empty message.
  for (let seq = 1; seq <= MESSAGES; seq += 1) await publish(seq === 1 ? '' : 'not an event');
  await settlePayment();
}, START_MS_MAX);

afterAll(async () => {
  for (const connection of connections.values()) await connection.close();
  await cluster.stop();
});

function as(user: User): BrokerConnection {
  const connection = connections.get(user);
  if (connection === undefined) throw new Error(`${user} is not connected`);
  return connection;
}

async function publish(body: string): Promise<void> {
  const ack = await as('producer').request('events.orders', body, { timeout: 5_000 });
  expect(ack.json()).toMatchObject({ stream: 'EVENTS' });
}

/** Sends a request and the address of its answer. If it is not permitted, the broker says so later. */
function send(user: User, { subject, body, header }: Question, reply: string, more?: [string, string]): void {
  const sent = header?.() ?? (more && headers());
  if (more) sent?.set(...more);
  as(user).publish(subject, body, { reply, ...(sent && { headers: sent }) });
  const batch = sent?.get('Nats-Batch-Sequence') === '1' ? sent.get('Nats-Batch-Id') : undefined;
  if (batch !== undefined) endBatch(user, subject, batch);
}

/** Ends a batch. Brokers hold few at a time and refuse more, so only the first targets would receive nothing. */
function endBatch(user: User, subject: string, batch: string): void {
  const gap = headers();
  gap.set('Nats-Batch-Id', batch);
  gap.set('Nats-Batch-Sequence', '3');
  as(user).publish(subject, '', { headers: gap });
}

/** Everything that an administrative request could change, and nothing that changes by itself. */
async function fingerprint(): Promise<object> {
  const api = await jetStreamApi(as('monitoring'), ANSWER_MS_MAX);
  const stream = await api.streams.info('EVENTS', { deleted_details: true });
  const consumer = await api.consumers.info('EVENTS', 'store');
  const balances = await inspectBalances();
  const { first_seq: first, last_seq: last, messages, consumer_count: consumers } = stream.state;
  return {
    created: stream.created,
    config: stream.config,
    first,
    missing: last - first + 1 - messages,
    consumers,
    replicas: [stream.cluster?.leader, ...(stream.cluster?.replicas ?? []).map(({ name }) => name)].sort(),
    consumer: {
      created: consumer.created,
      config: consumer.config,
      paused: consumer.paused === true,
      ackFloor: consumer.ack_floor.stream_seq,
    },
    balances: {
      created: balances.created,
      config: balances.config,
      paused: balances.paused === true,
      // A consumer that begins again has settled nothing.
      settled: balances.ack_floor.consumer_seq,
    },
  };
}

/** The names of the leaders of the stream and of the consumer. */
async function leaders(): Promise<object> {
  const api = await jetStreamApi(as('monitoring'), ANSWER_MS_MAX);
  const inspect = async (): Promise<object> => {
    const stream = await api.streams.info('EVENTS');
    const consumer = await api.consumers.info('EVENTS', 'store');
    return { stream: stream.cluster?.leader, consumer: consumer.cluster?.leader };
  };
  return waitFor(inspect, { timeoutMs: 60_000, describe: 'who leads' });
}

/** Repeats an action until the leaders stay where they were. Each time it checks that nothing else has changed. */
async function expectNoChange(work: () => void | Promise<void>): Promise<void> {
  const before = await waitFor(fingerprint, { timeoutMs: 60_000, describe: 'what there is before' });
  let led: object = {};
  let leading: object = {};
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    led = await leaders();
    await work();
    for (const user of USERS) await as(user).flush();
    let inspections = 0;
    const isSeen = async (): Promise<boolean> => {
      if (!isDeepStrictEqual(await fingerprint(), before)) return true;
      inspections += 1;
      return inspections === INSPECTIONS;
    };
    await waitFor(isSeen, { timeoutMs: 60_000, describe: 'enough inspections at the stream' });
    const after = await waitFor(fingerprint, { timeoutMs: 60_000, describe: 'what there is afterwards' });
    expect(after).toEqual(before);
    leading = await leaders();
    if (JSON.stringify(led) === JSON.stringify(leading)) return;
  }
  expect(leading).toEqual(led);
}

async function inspectBalances(): Promise<ConsumerInfo> {
  const api = await jetStreamApi(as('accounts'), ANSWER_MS_MAX);
  return api.consumers.info('EVENTS', 'balances');
}

/** Publishes the only payment, and has the accounts acknowledge it. */
async function settlePayment(): Promise<void> {
  await as('producer').request('events.payments.card', 'not an event', { timeout: 5_000 });
  const inbox = '_INBOX_accounts.settle';
  const subscription = as('accounts').subscribe(inbox, {
    callback: (_, message) => {
      if (message.subject.startsWith('events.')) message.respond('+ACK');
    },
  });
  await waitFor(
    async () => {
      const pull = '{"batch":1,"no_wait":true}';
      as('accounts').publish('SEKALI.API.CONSUMER.MSG.NEXT.EVENTS.balances', pull, { reply: inbox });
      return (await inspectBalances()).ack_floor.consumer_seq === 1;
    },
    { timeoutMs: 30_000, describe: 'the payment to be settled' },
  );
  subscription.unsubscribe();
}

/** Acknowledges everything, so that the consumer has nothing to deliver. */
async function settleEverything(): Promise<void> {
  const inbox = '_INBOX_worker.settle';
  const subscription = as('worker').subscribe(inbox, {
    callback: (_, message) => {
      if (message.subject.startsWith('events.')) message.respond('+ACK');
    },
  });
  const api = await jetStreamApi(as('monitoring'), ANSWER_MS_MAX);
  await waitFor(
    async () => {
      // The messages are pulled one by one, because an empty message ends the answers to a pull.
      for (let pull = 1; pull <= 100; pull += 1) {
        as('worker').publish('SEKALI.API.CONSUMER.MSG.NEXT.EVENTS.store', '{"batch":1,"no_wait":true}', {
          reply: inbox,
        });
      }
      const { num_pending: pending, num_ack_pending: unsettled } = await api.consumers.info(
        'EVENTS',
        'store',
      );
      return pending === 0 && unsettled === 0;
    },
    { timeoutMs: 60_000, describe: 'the consumer to have nothing left' },
  );
  subscription.unsubscribe();
}

describe('what is tried here', () => {
  it(
    'has the brokers answer in every way',
    async () => {
      const heard = new Set<string>();
      const listen = (_: unknown, message: Msg): void => {
        heard.add(kindOf(message));
        if (kindOf(message) === 'delivery') message.respond('+ACK');
      };
      await settleEverything();
      for (const user of USERS) as(user).subscribe(`_INBOX_${user}.kinds`, { callback: listen });
      const sendAll = (user: User): void => {
        const questions = Object.values(QUESTIONS[user]).flat();
        for (const question of questions) send(user, question, `_INBOX_${user}.kinds`);
      };
      sendAll('worker');
      // A pull expires only while there is nothing to deliver.
      const isOver = (): boolean => heard.has('408');
      await waitFor(isOver, { timeoutMs: 15_000, describe: 'the end of a pull' });
      for (const user of USERS) sendAll(user);
      const kinds = ['empty', 'JSON', 'error', 'message', 'delivery', '100', '400', '404', '408'];
      const all = (): boolean => kinds.every((kind) => heard.has(kind));
      await waitFor(all, { timeoutMs: 15_000, describe: 'answers of all kinds' }).catch(() => undefined);
      expect([...heard].sort()).toEqual(expect.arrayContaining(kinds.sort()));
    },
    TEST_MS_MAX,
  );
});

describe.each(['producer', 'gateway'] as const)('a message of a batch that %s begins', (user) => {
  it('is answered by nothing each time, also for the last target', async () => {
    const batch = publishes[NOTHING_YET]?.[0];
    if (batch === undefined) throw new Error('there is no such question');
    const answers: string[] = [];
    const subscription = as(user).subscribe(`_INBOX_${user}.batches`, {
      callback: (_, message) => void answers.push(kindOf(message)),
    });
    TARGETS.forEach(() => {
      send(user, batch, `_INBOX_${user}.batches`);
    });
    await waitFor(() => answers.length >= TARGETS.length, {
      timeoutMs: 15_000,
      describe: 'an answer for each target',
    });
    subscription.unsubscribe();
    expect(answers).toEqual(TARGETS.map(() => 'empty'));
  });
});

describe('an empty message that a producer published', () => {
  it(
    'does nothing at any address that a worker has it delivered to',
    async () => {
      await settleEverything();
      // One message for each target.
      await Promise.all(TARGETS.map(() => publish('')));
      await expectNoChange(() => {
        for (const target of TARGETS) {
          for (const question of next('{"batch":1,"no_wait":true}')) send('worker', question, target);
        }
      });
    },
    TEST_MS_MAX,
  );
});

// Events are traced last. A nats-server before 2.14.3 may store the trace of an event in the stream, under a subject with
// a space in it. Its delivery ends the client's connection here, so nothing behind it is ever settled.
describe.each(USERS)('an answer that %s asks for', (user) => {
  it(
    'does nothing at any address, whatever it says',
    async () => {
      // Pulls that find nothing have empty answers.
      if (user === 'worker') await settleEverything();
      // A worker may acknowledge anyway.
      const targets = user === 'worker' ? TARGETS : [...TARGETS, ...ACKNOWLEDGEMENTS];
      await expectNoChange(() => {
        for (const question of Object.values(QUESTIONS[user]).flat()) {
          for (const target of targets) {
            send(user, question, target);
            send(user, question, `_INBOX_${user}.traced`, ['Nats-Trace-Dest', target]);
          }
        }
      });
    },
    TEST_MS_MAX,
  );
});

/** The kind of an answer when it is read as a request. */
function kindOf(message: Msg): string {
  const status = message.headers?.code ?? 0;
  if (status !== 0) return String(status);
  if (message.reply?.startsWith('$JS.ACK.')) return 'delivery';
  if (message.headers?.has('Nats-Stream')) return 'message';
  if (message.data.length === 0) return 'empty';
  return message.string().includes('"error"') ? 'error' : 'JSON';
}
