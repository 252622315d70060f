/**
 * What those who watch cost a drain: clients that follow events of which there are none, and pages that are open.
 *
 * The same worker drains the same backlog in alternate rounds, watched and not. A gateway runs in both, so what differs
 * is the watching alone. It includes the price of the clients, which run on the same machine.
 */
import { Agent, get, type ClientRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { Group } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import type { Environment } from '../environment/environment.js';
import { WrongSubjectError } from '../wrong-subject.js';
import { type DrainOptions, drainLoad, measureRounds, withDrainFixture, workerSubject } from './drain.js';
import type { DrainFixture, DrainSubject } from './drain-round.js';

/** Draining may lose this part to those who watch. */
const TARGETS = [{ against: 'ceiling', atLeast: 0.97 }] as const;
const CONNECTIONS_MAX = '5000';
/** No event of the backlog has such a topic. */
const IDLE = '/events/stream?topic=nothing.of.this';

/** What an open page asks for, and how often in milliseconds, as apps/dashboard does. */
const PAGE_REQUESTS: readonly (readonly [path: string, everyMs: number])[] = [
  ['/stats', 2_000],
  ['/health', 3_000],
  ['/events?order=desc&limit=100', 5_000],
  ['/histogram', 10_000],
];

/** Who watches. */
export interface Watching {
  readonly name: string;
  readonly what: string;
  /** Begins, and returns what ends it. */
  readonly begin: (url: string, sizes: Sizes) => Promise<() => void>;
}

/** All who watch, in the order in which they are measured. */
export const WATCHING: readonly Watching[] = [
  {
    name: 'drain-listeners',
    what: 'clients follow events that do not come',
    begin: (url, { listeners }) => openAll(listeners, () => follow(`${url}${IDLE}`)),
  },
  {
    name: 'drain-pages',
    what: 'pages are open',
    begin: (url, { openPages }) => openAll(openPages, () => openPage(url)),
  },
];

/** Measures the worker while it is watched, against the same worker. */
export async function measureWatched(
  environment: Environment,
  sizes: Sizes,
  { watching, ...options }: DrainOptions & { readonly watching: Watching },
): Promise<Group> {
  const plan = { messages: sizes.backlog, duplicateShare: 0 };
  const gateway = await environment.startProgram(watching.name, 'gateway/src/main.js', [], {
    SEKALI_HTTP_PORT: '0',
    SEKALI_HTTP_CONNECTIONS_MAX: CONNECTIONS_MAX,
    SEKALI_HTTP_CONNECTIONS_PER_ADDRESS_MAX: CONNECTIONS_MAX,
  });
  try {
    const series = await withDrainFixture(environment, plan, options, (fixture) => {
      const begin = (): Promise<() => void> => watching.begin(gateway.url, sizes);
      return measureRounds(fixture, subjectsOf(fixture, begin, options), sizes, options);
    });
    const count = watching.name === 'drain-pages' ? sizes.openPages : sizes.listeners;
    const what = `${drainLoad(plan).what}, while ${count.toLocaleString('en')} ${watching.what}`;
    return { name: watching.name, what, series, targets: TARGETS };
  } finally {
    await gateway.stop();
  }
}

function subjectsOf(
  fixture: DrainFixture,
  begin: () => Promise<() => void>,
  { workerVariables: variables }: DrainOptions,
): DrainSubject[] {
  const watched = workerSubject(fixture, { role: 'ours', subject: 'sekali worker, watched', variables });
  let end = (): void => undefined;
  return [
    {
      ...watched,
      prepare: async () => {
        await watched.prepare();
        end = await begin();
      },
      check: async () => {
        end();
        await watched.check();
      },
    },
    workerSubject(fixture, { role: 'ceiling', variables }),
  ];
}

/** Opens all at once. @returns what ends all of them */
async function openAll(count: number, open: () => Promise<() => void>): Promise<() => void> {
  const ends = await Promise.all(Array.from({ length: count }, open));
  return () => {
    for (const end of ends) end();
  };
}

/** Follows events, and reads what comes. */
async function follow(url: string): Promise<() => void> {
  const request = get(url, { agent: new Agent({ keepAlive: false }) });
  const answer = await answerOf(request);
  answer.resume();
  return () => {
    request.destroy();
  };
}

/** Asks as a page does that shows the newest events, and follows them. */
async function openPage(url: string): Promise<() => void> {
  const agent = new Agent({ keepAlive: true });
  const ask = (path: string): void => {
    answerOf(get(`${url}${path}`, { agent })).then(
      (answer) => answer.resume(),
      // A page tries again as well.
      () => undefined,
    );
  };
  const timers = PAGE_REQUESTS.map(([path, everyMs]) => {
    ask(path);
    return setInterval(ask, everyMs, path);
  });
  const unfollow = await follow(`${url}/events/stream`);
  return () => {
    for (const timer of timers) clearInterval(timer);
    unfollow();
    agent.destroy();
  };
}

async function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  // The end of one that watches is an error of its socket.
  answer.on('error', () => undefined);
  request.on('error', () => undefined);
  if (answer.statusCode === 200) return answer;
  answer.resume();
  throw new WrongSubjectError(`GET ${request.path} answers ${answer.statusCode ?? 'nothing'}`);
}
