/**
 * An answer of the brokers goes to whatever address its request names. So whoever may ask for anything has answers sent
 * to every administrative request, under every name that it could have, and nothing may come of it.
 */
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Msg, type MsgHdrs, headers, nuid } from '@nats-io/nats-core';
import { connectBroker, jetStreamApi } from '#broker';
import { createTestSystem, startApp, waitFor, type BrokerConnection } from '#testing';
import { ACKNOWLEDGEMENTS, ADMINISTRATIVE_REQUESTS } from './test/administrative-requests.js';
import { type NatsUser, SecuredCluster } from './test/secured-cluster.js';

const START_MS_MAX = 90_000;
/** How often is looked for what came of the answers, which takes some milliseconds; the brokers answer in between. */
const LOOKS = 30;
/** A busy machine has elections of its own, several in a row. A request that moves a leader does so in each round. */
const ROUNDS_MAX = 5;
const TEST_MS_MAX = 180_000;
const MESSAGES = 20;
/**
 * How long an answer of the brokers is waited for before it is asked for again. Before
 * nats-server 2.14.3, a traced message may end the connection between two brokers. It is made again within a second, and
 * answers on their way are lost with it.
 */
const ANSWER_MS_MAX = 2_000;

type User = Exclude<NatsUser, 'system'>;

/** A message that has the brokers answer. */
interface Question {
  readonly subject: string;
  readonly body: string;
  readonly header?: () => MsgHdrs;
}

const API_PREFIXES = ['$JS.API', 'SEKALI.API'];
/** Where the answers are sent to. */
const TARGETS = [
  ...API_PREFIXES.flatMap((prefix) => ADMINISTRATIVE_REQUESTS.map((request) => `${prefix}.${request}`)),
  // As a broker of a domain knows them.
  ...ADMINISTRATIVE_REQUESTS.map((request) => `$JS.hub.API.${request}`),
  '$SYS.REQ.SERVER.PING',
  '$SYS.REQ.ACCOUNT.SEKALI.CONNZ',
];

/** Each way to have the brokers answer, by what they answer. Asked under both names, of which one may not be known. */
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
const looks: Record<string, Question[]> = {
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
const settings = { name: 'EVENTS', subjects: ['events.>'] };
const definitions: Record<string, Question[]> = {
  'that the stream is another': ask('STREAM.CREATE.EVENTS', JSON.stringify(settings)),
  'that the consumer is wrong': ask('CONSUMER.CREATE.EVENTS.store', '{"stream_name":"EVENTS","config":{}}'),
  'that it cannot begin again there': ask('CONSUMER.RESET.EVENTS.store', '{"not":"known"}'),
};

const QUESTIONS: Record<User, Record<string, Question[]>> = {
  // First, while the consumer has nothing to deliver.
  worker: {
    ...looks,
    'that there is nothing': next('{"batch":1,"no_wait":true}'),
    'that the pull is wrong': next('{"batch":-1}'),
    'that the pull is no pull': next('{not json'),
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
  gateway: { ...publishes, ...looks },
  setup: { ...looks, ...definitions },
  amend: { ...looks, ...definitions, 'that nothing is to be changed': ask('STREAM.UPDATE.EVENTS', '{}') },
  monitoring: looks,
  recovery: { ...looks, 'that it does not delete like this': ask('CONSUMER.DELETE.EVENTS.store', '{"a":1}') },
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
    // What was delivered to an administrative address comes again after this.
    SEKALI_ACK_WAIT_MS: '5000',
  });
  for (const user of USERS) {
    connections.set(user, await connectBroker(cluster.addressOf(user), { waitForFirst: false }));
  }
  // The first of them is empty: sent as it is, it is what the worst requests take.
  for (let seq = 1; seq <= MESSAGES; seq += 1) await publish(seq === 1 ? '' : 'not an event');
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

/** Sends a question, and where its answer goes. One that may not be sent is refused by the broker, which says so later. */
function send(user: User, { subject, body, header }: Question, reply: string, more?: [string, string]): void {
  const sent = header?.() ?? (more && headers());
  if (more) sent?.set(...more);
  as(user).publish(subject, body, { reply, ...(sent && { headers: sent }) });
  const batch = sent?.get('Nats-Batch-Sequence') === '1' ? sent.get('Nats-Batch-Id') : undefined;
  if (batch !== undefined) endBatch(user, subject, batch);
}

/** Brokers hold few batches at a time, and answer more of them with an error: only the first targets would hear nothing. */
function endBatch(user: User, subject: string, batch: string): void {
  const gap = headers();
  gap.set('Nats-Batch-Id', batch);
  gap.set('Nats-Batch-Sequence', '3');
  as(user).publish(subject, '', { headers: gap });
}

/** Everything that an administrative request could change, and nothing that goes on by itself. */
async function fingerprint(): Promise<object> {
  const api = await jetStreamApi(as('monitoring'), ANSWER_MS_MAX);
  const stream = await api.streams.info('EVENTS', { deleted_details: true });
  const consumer = await api.consumers.info('EVENTS', 'store');
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
  };
}

/** Who leads: a name for the stream, one for the consumer. */
async function leaders(): Promise<object> {
  const api = await jetStreamApi(as('monitoring'), ANSWER_MS_MAX);
  const look = async (): Promise<object> => {
    const stream = await api.streams.info('EVENTS');
    const consumer = await api.consumers.info('EVENTS', 'store');
    return { stream: stream.cluster?.leader, consumer: consumer.cluster?.leader };
  };
  return waitFor(look, { withinMs: 60_000, describe: 'who leads' });
}

/** Does something until it leaves the leaders where they were, and checks each time that nothing else has changed. */
async function expectNoChange(work: () => void | Promise<void>): Promise<void> {
  const before = await waitFor(fingerprint, { withinMs: 60_000, describe: 'what there is before' });
  let led: object = {};
  let leading: object = {};
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    led = await leaders();
    await work();
    for (const user of USERS) await as(user).flush();
    let looks = 0;
    const isSeen = async (): Promise<boolean> => {
      if (!isDeepStrictEqual(await fingerprint(), before)) return true;
      looks += 1;
      return looks === LOOKS;
    };
    await waitFor(isSeen, { withinMs: 60_000, describe: 'enough looks at the stream' });
    const after = await waitFor(fingerprint, { withinMs: 60_000, describe: 'what there is afterwards' });
    expect(after).toEqual(before);
    leading = await leaders();
    if (JSON.stringify(led) === JSON.stringify(leading)) return;
  }
  expect(leading).toEqual(led);
}

/** Acknowledges all that there is, so that the consumer has nothing to deliver. */
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
      // One by one: an empty message ends what a pull is answered.
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
    { withinMs: 60_000, describe: 'the consumer to have nothing left' },
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
      // A pull ends in its own way only while there is nothing to deliver.
      const isOver = (): boolean => heard.has('408');
      await waitFor(isOver, { withinMs: 15_000, describe: 'the end of a pull' });
      for (const user of USERS) sendAll(user);
      const kinds = ['empty', 'JSON', 'error', 'message', 'delivery', '100', '400', '404', '408'];
      const all = (): boolean => kinds.every((kind) => heard.has(kind));
      await waitFor(all, { withinMs: 15_000, describe: 'answers of all kinds' }).catch(() => undefined);
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
      withinMs: 15_000,
      describe: 'an answer for each',
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
      // One for each.
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

// Events are traced at the end. A nats-server before 2.14.3 may store the trace of an event in the stream, under a subject
// with a space in it. A delivery of that ends the connection of the client here, so nothing behind it is ever settled.
describe.each(USERS)('an answer that %s asks for', (user) => {
  it(
    'does nothing at any address, whatever it says',
    async () => {
      // Pulls that find nothing are those with empty answers.
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

/** What an answer is, for whoever takes it for a request. */
function kindOf(message: Msg): string {
  const status = message.headers?.code ?? 0;
  if (status !== 0) return String(status);
  if (message.reply?.startsWith('$JS.ACK.')) return 'delivery';
  if (message.headers?.has('Nats-Stream')) return 'message';
  if (message.data.length === 0) return 'empty';
  return message.string().includes('"error"') ? 'error' : 'JSON';
}
