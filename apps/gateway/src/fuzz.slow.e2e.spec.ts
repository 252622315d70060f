/**
 * Sends anything that may come over the wire, and checks what must always hold. No input causes an answer 5xx or ends a
 * process. Every refusal is problem JSON. The database contains exactly what was sent and accepted.
 *
 *   npm run fuzz -- --inputs 100000 --seed 7
 *
 * There are two gateways, one open and one that requires keys, a worker, real brokers and a real Postgres.
 */
import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { apiKeyHash, apiKeyIdOf, coversTopic, newApiKeyToken, type PublishResponse } from '#contracts';
import { insertApiKeys, insertWebhookSecret } from '#store';
import { createTestSystem, startApp, waitFor, type App, type TestSystem } from '#testing';
import { Account } from './test/fuzz/account.js';
import { exchange, type WireAnswer } from './test/fuzz/http-exchange.js';
import { httpInputs, type HttpInput } from './test/fuzz/http-inputs.js';
import { natsInputs, type NatsInput } from './test/fuzz/nats-inputs.js';
import { publishMessage, RawBrokerSocket } from './test/fuzz/nats-sender.js';
import { Tally } from './test/fuzz/tally.js';
import { webhookSecrets } from './test/fuzz/webhook-inputs.js';

const INPUTS = Number(process.env['SEKALI_FUZZ_INPUTS'] ?? 5_000);
const SEED = Number(process.env['SEKALI_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Number of inputs whose kinds are drawn at once. */
const ROUND = 500;
/** Inputs over HTTP out of ten. */
const HTTP_OF_TEN = 6;
const HTTP_AT_ONCE = 24;
const NATS_AT_ONCE = 48;
/** The heap that V8 takes in a container of 512 MiB. */
const HEAP = { nodeArguments: ['--max-old-space-size=256'] };
const BOUND_TOPICS = ['logs.>'];
/** An answer must not contain a token of its request, whether or not it is valid. */
const TOKEN = /sekali_[0-9a-f]{16}_[\w-]{43}/;
const TIME_MS_MAX = 120_000 + INPUTS * 12;

/** The parts of a run. */
interface Run {
  readonly system: TestSystem;
  readonly ports: Readonly<Record<HttpInput['door'], number>>;
  readonly apps: readonly App[];
  readonly bound: string;
  readonly webhookKey: Buffer;
  readonly account: Account;
  readonly tally: Tally;
  /** Inputs whose answer was 503. They are sent again at the end, when nothing else is going on. */
  readonly unavailable: HttpInput[];
}

async function start(): Promise<Run> {
  const system = await createTestSystem({ streamBytesMax: 2_000_000_000, duplicateWindowMs: 5_000 });
  const bound = newApiKeyToken();
  const key_id = apiKeyIdOf(bound) ?? '';
  const key = { key_id, name: 'fuzz', topics: BOUND_TOPICS, hash: apiKeyHash(bound) };
  await insertApiKeys(system.pool, [{ ...key, scopes: ['publish', 'read'] }]);
  const webhookKey = randomBytes(32);
  for (const secret of webhookSecrets(webhookKey)) await insertWebhookSecret(system.pool, secret);
  const quick = { ...system.environment, SEKALI_HTTP_REQUEST_MS_MAX: '3000' };
  const keys = { SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true', SEKALI_HTTP_REQUESTS_PER_SECOND_MAX: '0' };
  const [open, keyed, worker] = await Promise.all([
    startApp('gateway', quick, HEAP),
    startApp('gateway', { ...quick, ...keys }, HEAP),
    startApp('worker', system.environment),
  ]);
  for (const { url } of [open, keyed]) {
    await waitFor(async () => (await fetch(`${url}/health/ready`)).ok, { timeoutMs: 20_000, describe: url });
  }
  const ports = { open: Number(new URL(open.url).port), keyed: Number(new URL(keyed.url).port) };
  return {
    system,
    ports,
    apps: [open, keyed, worker],
    bound,
    webhookKey,
    account: new Account(),
    tally: new Tally(),
    unavailable: [],
  };
}

/** Runs tasks, up to `count` at a time. */
async function atOnce<T>(
  count: number,
  inputs: readonly T[],
  task: (input: T) => Promise<void>,
): Promise<void> {
  const queue = inputs.values();
  await Promise.all(
    Array.from({ length: count }, async () => {
      for (const input of queue) await task(input);
    }),
  );
}

async function sendHttp(run: Run, input: HttpInput): Promise<void> {
  if (input.unread === true) run.account.unanswered(input.body ?? '');
  const { answers, hung } = await exchange(run.ports[input.door], input);
  run.tally.count(input.kind, answers[0]?.status ?? 'no answer');
  const fault = (what: string): void => {
    run.account.fault(
      `${what}: ${input.kind}, ${JSON.stringify(input.bytes.toString('latin1').slice(0, 700))}`,
    );
  };
  if (hung) fault('the connection was neither answered nor ended');
  const mustAnswer = input.then === 'wait' && !input.bytes.toString('latin1', 0, 8).startsWith('CONNECT ');
  if (mustAnswer && answers.length === 0 && !hung) fault('no answer');
  for (const answer of answers) {
    const wrong = wrongWith(answer, input);
    if (wrong !== undefined)
      fault(`${wrong} (${answer.status} ${answer.head.slice(0, 300)} ${answer.body.slice(0, 300)})`);
    if (answer.status === 503) run.unavailable.push(input);
    takeResults(run, input, answer);
  }
}

/** What must not happen, for any input. */
function wrongWith(answer: WireAnswer, { bytes, kind, right }: HttpInput): string | undefined {
  if (answer.status >= 500 && answer.status !== 503) return 'a 5xx';
  if (/^x-injected/im.test(answer.head)) return 'a header was injected';
  if (answer.body.includes('\n    at ') || answer.body.includes('node_modules')) return 'a stack trace';
  if (TOKEN.test(answer.body) || TOKEN.test(answer.head)) return 'a token in the answer';
  if (right !== undefined && ![...right, 503].includes(answer.status))
    return `not one of ${right.join(', ')}`;
  if (answer.status < 400 || bytes.toString('latin1', 0, 5) === 'HEAD ') return undefined;
  if (kind === 'otlp') return isOtlp(answer) ? undefined : 'no status of OTLP';
  if (answer.type !== 'application/problem+json; charset=utf-8') return 'no problem JSON';
  try {
    const { status, title } = JSON.parse(answer.body) as { status?: unknown; title?: unknown };
    return status === answer.status && typeof title === 'string' ? undefined : 'a problem of another status';
  } catch {
    return 'a problem that is not JSON';
  }
}

/** Whether a refusal is a `google.rpc.Status`: a code, which is field 1, and a message. */
function isOtlp({ type, body }: WireAnswer): boolean {
  if (type === 'application/json') return /^\{"code":\d+,"message":".+"\}$/s.test(body);
  const [first, code = 0, second] = Buffer.from(body);
  return type === 'application/x-protobuf' && first === 0x08 && code > 0 && code <= 16 && second === 0x12;
}

function takeResults({ account }: Run, input: HttpInput, answer: WireAnswer): void {
  if (input.body === undefined || input.unread === true || (answer.status !== 202 && answer.status !== 503))
    return;
  const { results } = JSON.parse(answer.body) as Partial<PublishResponse>;
  const covered = (topic: string): boolean => input.door === 'open' || coversTopic(BOUND_TOPICS, topic);
  account.results(input.body, results ?? [], covered);
}

async function sendNats(run: Run, raw: RawBrokerSocket, input: NatsInput): Promise<void> {
  if (input.headers !== undefined) {
    run.account.unansweredMessage(input.topic, undefined, input.body.toString());
    await raw.publish(input);
    run.tally.count(input.kind, 'sent');
    return;
  }
  // A body that is not UTF-8 is not text. Read as one character per byte, no row can contain it.
  const body = input.means ?? input.body.toString(isUtf8(input.body) ? 'utf8' : 'latin1');
  const outcome = await publishMessage(run.system.connection, run.system.subjectPrefix, input);
  run.tally.count(input.kind, outcome.status);
  if (outcome.status === 'unknown') run.account.unansweredMessage(input.topic, input.messageId, body);
  if (outcome.status === 'stored')
    run.account.message(outcome.seq, input.topic, input.messageId, body, input.valid);
}

/** Sends a round: HTTP and NATS concurrently, raw messages one after the other. */
async function sendRound(run: Run, raw: RawBrokerSocket, round: number, size: number): Promise<void> {
  const httpCount = Math.round((size * HTTP_OF_TEN) / 10);
  const draw = { seed: SEED + round };
  const http = fc.sample(httpInputs({ bound: run.bound, webhookKey: run.webhookKey }), {
    ...draw,
    numRuns: httpCount,
  });
  const nats = fc.sample(natsInputs, { ...draw, numRuns: size - httpCount });
  await Promise.all([
    atOnce(HTTP_AT_ONCE, http, (input) => sendHttp(run, input)),
    atOnce(
      NATS_AT_ONCE,
      nats.filter((input) => input.headers === undefined),
      (input) => sendNats(run, raw, input),
    ),
    atOnce(
      1,
      nats.filter((input) => input.headers !== undefined),
      (input) => sendNats(run, raw, input),
    ),
  ]);
}

/** An outage is not the fault of an input, but a repeated 503 is, when nothing else is going on. */
async function askAgain(run: Run): Promise<void> {
  for (const input of run.unavailable.slice(0, 50)) {
    const { answers } = await exchange(run.ports[input.door], input);
    for (const answer of answers) {
      takeResults(run, input, answer);
      if (answer.status === 503)
        run.account.fault(`503 again: ${input.bytes.toString('latin1').slice(0, 700)}`);
    }
  }
}

async function settled({ system }: Run): Promise<number> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  await waitFor(
    async () => {
      const { num_pending, num_ack_pending } = await manager.consumers.info(
        system.streamName,
        system.consumerName,
      );
      return num_pending + num_ack_pending === 0;
    },
    { timeoutMs: 60_000 + INPUTS, describe: 'every message to be settled', intervalMs: 200 },
  );
  return (await manager.streams.info(system.streamName)).state.last_seq;
}

describe('whatever comes over the wire', () => {
  it(
    `breaks nothing and leaves no row that should not be there (${INPUTS} inputs, seed ${SEED})`,
    async () => {
      const run = await start();
      const raw = new RawBrokerSocket(new URL(run.system.natsUrls[0] ?? ''), run.system.subjectPrefix);
      for (
        let sent = 0, round = 0;
        sent < INPUTS && run.account.faults.length === 0;
        sent += ROUND, round++
      ) {
        await sendRound(run, raw, round, Math.min(ROUND, INPUTS - sent));
      }
      raw.close();
      const lastSeq = await settled(run);
      await askAgain(run);
      const ends = await run.account.check(run.system.pool, Math.max(lastSeq, await settled(run)));
      process.stdout.write(`${run.tally.table(SEED)}\n${JSON.stringify(ends)} of ${lastSeq} sequences\n`);
      expect(run.account.faults).toEqual([]);
      for (const app of run.apps) {
        expect(process.kill(app.pid, 0)).toBe(true);
        expect(app.output()).not.toMatch(/request failed|unhandled|uncaught/i);
        expect(app.output()).not.toContain(run.bound);
        expect(app.output()).not.toContain(run.webhookKey.toString('hex'));
      }
      for (const port of Object.values(run.ports)) {
        expect((await fetch(`http://127.0.0.1:${port}/health/ready`)).status).toBe(200);
      }
      expect(run.tally.total).toBe(INPUTS);
    },
    TIME_MS_MAX,
  );
});
