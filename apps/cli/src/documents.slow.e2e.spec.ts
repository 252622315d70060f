/**
 * Every command of every README, against the system that `npm start` runs. The tests need the build, which `npm test`
 * provides.
 *
 * The output that a page shows is compared with what the command printed. Numbers may differ, and `…` is anything.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { connectBroker } from '#broker';
import { findRepositoryRoot } from '#local-cluster';
import { codeBlocks, commandsOf, readDocuments, waitFor, type Command } from '#testing';
import {
  checkCompose,
  checkDeployScript,
  checkEnvLine,
  checkImage,
  checkPackages,
  checkScript,
  checkSecrets,
  checkVolume,
  readCurl,
} from './test/known-programs.js';
import { StartedSystem } from './test/started-system.js';

const ROOT = findRepositoryRoot();
const COMMAND_MS_MAX = 60_000;
/** Placeholders of the pages for values of the reader. */
const GATEWAY = 'http://127.0.0.1:8080';
const KEY_ID = '0123456789abcdef';

const documents = readDocuments(ROOT);
const commands = documents.flatMap(commandsOf);

interface Ended {
  readonly code: number | string | null;
  readonly printed: string;
}

let system: StartedSystem;
let ready: Awaited<ReturnType<StartedSystem['ready']>>;
let folder: string;
let environment: Record<string, string>;
let keyId: string;
let minimum: { node: string; nats: string; postgres: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-documents-'));
  writeFileSync(join(folder, 'app.log'), 'one\ntwo\n');
  system = new StartedSystem();
  ready = await system.ready();
  environment = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    NO_COLOR: '1',
    SEKALI_GATEWAY_URL: ready.gateway,
    SEKALI_NATS_URLS: ready.nats.join(','),
    SEKALI_POSTGRES_URL: ready.postgres,
  };
  minimum = await versionsOf(ready.nats, ready.postgres);
  const key = await sekali('keys', 'create', '--name', 'page', '--scopes', 'read', '--json');
  keyId = (JSON.parse(key.printed) as { key_id: string }).key_id;
  await publishSought();
}, 180_000);

/** Publishes the event that the searches of the pages find. */
async function publishSought(): Promise<void> {
  const event = {
    ...{ topic: 'logs.web', event_id: 'sought', source: 'web', timestamp: new Date().toISOString() },
    payload: { status: 500, level: 'error', message: 'timeout' },
  };
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify(event);
  const { status } = await fetch(`${ready.gateway}/publish`, { method: 'POST', headers, body });
  expect(status).toBe(202);
}

afterAll(async () => {
  await system.interrupt();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** Runs the command of the clone in a separate folder, as `npx sekali` does in the clone. */
async function sekali(...args: readonly string[]): Promise<Ended> {
  return run(process.execPath, [join(ROOT, 'apps/cli/bin/sekali.mjs'), ...args]);
}

async function run(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: environment, timeout: COMMAND_MS_MAX };
    execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? null) : 0, printed: `${stdout}${stderr}` });
    });
  });
}

async function versionsOf(nats: readonly string[], postgresUrl: string): Promise<typeof minimum> {
  const connection = await connectBroker({ urls: nats.join(','), name: 'documents' }, { waitForFirst: true });
  const version = connection.info?.version ?? '';
  const client = new pg.Client({ connectionString: postgresUrl });
  await client.connect();
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
  await Promise.all([connection.close(), client.end()]);
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
  return {
    node: engines.node,
    nats: version,
    postgres: rows[0]?.server_version ?? '',
  };
}

/** The result of a check: what the command printed, where it was run. */
type Check = (command: Command) => Promise<string | undefined>;

/** Checks by the first words of a command; the longest match is taken. A command without a value only has to pass. */
const CHECKS: Readonly<Record<string, Check>> = {
  'npm start': async ({ words }) => {
    if (words.length === 2) return system.output;
    refuses(await sekali('up', ...afterDashes(words, 2), 'more'), 'too many arguments');
    return undefined;
  },
  'npm test': ({ words, environment: set }) => passes(() => checkScript('test', afterDashes(words, 2), set)),
  'npm run test:slow': ({ words, environment: set }) =>
    passes(() => checkScript('test:slow', afterDashes(words, 3), set)),
  'npm install': ({ words }) => passes(() => checkPackages(words.slice(2))),
  'npm run lint': ({ words }) => passes(() => checkScript('lint', words.slice(3), {})),
  'npm run secrets': ({ words }) => passes(() => checkSecrets(afterDashes(words, 3))),
  'npm run test:compose': ({ words }) => passes(() => checkScript('test:compose', words.slice(3), {})),
  'npm run test:producers': ({ words }) => passes(() => checkScript('test:producers', words.slice(3), {})),
  'npm run test:monitoring': ({ words }) => passes(() => checkScript('test:monitoring', words.slice(3), {})),
  'npm run test:shippers': ({ words }) => passes(() => checkScript('test:shippers', words.slice(3), {})),
  'npm run test:page': ({ words }) => passes(() => checkScript('test:page', words.slice(3), {})),
  'npm run screenshots': ({ words }) => passes(() => checkScript('screenshots', words.slice(3), {})),
  'npm run fuzz': async ({ words }) =>
    refuses(
      await run(process.execPath, [
        ...[join(ROOT, 'apps/gateway/bin/fuzz.mjs'), ...afterDashes(words, 3)],
        '--seed=none',
      ]),
      '--seed must be a whole number',
    ),
  // A command by its name.
  sekali: async ({ words: [, name = ''] }) => {
    const help = succeeds(await sekali('help'));
    if (!new RegExp(`^ +${name}\\b`, 'm').test(help)) throw new Error(`there is no sekali ${name}:\n${help}`);
    return undefined;
  },
  'npx sekali': async ({ words }) => succeeds(await sekali(...words.slice(2))),
  // The system was started by "npm start". A superfluous argument is refused after everything else was read.
  'npx sekali up': async ({ words }) =>
    refuses(await sekali(...words.slice(2), 'more'), 'too many arguments'),
  'npx sekali tail': async ({ words }) =>
    refuses(await sekali(...words.slice(2), 'more'), 'too many arguments'),
  // Two brokers are refused after everything else was read.
  'npx sekali chaos': async ({ words }) =>
    refuses(await sekali(...words.slice(2), '--nodes', '2'), '--nodes must be 1 or 3'),
  'npx sekali bench': async ({ words }) =>
    refuses(await sekali(...words.slice(2), 'more'), 'too many arguments'),
  'npx sekali keys revoke': async ({ words }) =>
    succeeds(await sekali(...words.slice(2).map((word) => (word === KEY_ID ? keyId : word)))),
  'npx sekali webhooks revoke': async ({ words }) => {
    const created = await sekali('webhooks', 'create', '--topic', 'page', '--provider', 'github', '--json');
    const { secret_id: id } = JSON.parse(succeeds(created)) as { secret_id: string };
    return succeeds(await sekali(...words.slice(2).map((word) => (word === KEY_ID ? id : word))));
  },
  curl: ({ words }) => request(words.slice(1)),
  'docker compose': async ({ words }) => {
    const inside = checkCompose(words.slice(2));
    const [program, ...rest] = inside;
    if (program === 'node')
      return succeeds(await run(program, [join(ROOT, rest[0] ?? ''), ...rest.slice(1)]));
    return undefined;
  },
  'docker buildx imagetools inspect': ({ words }) => passes(() => checkImage(words[4] ?? '')),
  'docker volume rm': ({ words }) => passes(() => checkVolume(words[3] ?? '')),
  // The page names this command without asking the reader to type it.
  'docker kill': () => Promise.resolve(undefined),
  'docker stop': () => Promise.resolve(undefined),
  'deploy/backup.sh': ({ words }) => passes(() => checkDeployScript(words[0] ?? '', words.slice(1))),
  'deploy/restore.sh': ({ words }) => passes(() => checkDeployScript(words[0] ?? '', words.slice(1))),
  'deploy/rolling-restart.sh': ({ words }) => passes(() => checkDeployScript(words[0] ?? '', words.slice(1))),
  'deploy/broker.sh': () => passes(() => readFileSync(join(ROOT, 'deploy/broker.sh'))),
  'git pull': () => Promise.resolve(undefined),
  echo: ({ words }) => passes(() => checkEnvLine(words[1] ?? '', words[2] ?? '')),
};

/** The check of a command; undefined when there is none. */
function checkOf({ words }: Pick<Command, 'words'>): Check | undefined {
  const fitting = Object.keys(CHECKS).filter((key) =>
    key.split(' ').every((word, index) => words[index] === word),
  );
  const [longest] = fitting.sort((one, other) => other.length - one.length);
  return longest === undefined ? undefined : CHECKS[longest];
}

function afterDashes(words: readonly string[], from: number): readonly string[] {
  return words.slice(words[from] === '--' ? from + 1 : from);
}

async function passes(check: () => unknown): Promise<undefined> {
  check();
  return Promise.resolve(undefined);
}

function succeeds({ code, printed }: Ended): string {
  if (code !== 0) throw new Error(`ended with ${code ?? 'a signal'}:\n${printed}`);
  return printed;
}

/** A command that would run for long is refused by its own program, for the one reason that the test gave it. */
function refuses({ code, printed }: Ended, reason: string): undefined {
  if (code === 0 || !printed.includes(reason))
    throw new Error(`ended with ${code ?? 'a signal'}:\n${printed}`);
}

async function request(args: readonly string[]): Promise<string> {
  const { url, headers, body } = readCurl(args);
  if (!url.startsWith(GATEWAY)) throw new Error(`${url} is not at ${GATEWAY}`);
  const address = url.replace(GATEWAY, environment['SEKALI_GATEWAY_URL'] ?? '');
  const init = { headers, ...(body !== undefined && { method: 'POST', body }) };
  const isDone = async (): Promise<string | undefined> => {
    const answer = await fetch(address, init);
    const text = await answer.text();
    // A reader types the next command seconds later. By then accepted events are stored, and a consumer that was
    // rewound exists again.
    // A system without a fault has no dead letters, so an empty list of them is the whole answer.
    const isEmpty = text === '[]' && new URL(address).pathname !== '/dead-letters';
    const isEarly = [404, 503].includes(answer.status) || isEmpty;
    if (isEarly) return undefined;
    if (!answer.ok) throw new Error(`${answer.status}: ${text}`);
    return text;
  };
  let text: string | undefined;
  await waitFor(async () => (text = await isDone()) !== undefined, {
    timeoutMs: 30_000,
    describe: `an answer with something in it to ${url}`,
  });
  return text ?? '';
}

/** Lines that a page shows and that were not printed. */
function notPrinted(shown: readonly string[], printed: string): string[] {
  const lines = printed.split('\n').map(withoutNumbers);
  return shown.filter((line) => {
    const parts = line.trim().split('…').map(withoutNumbers);
    const pattern = new RegExp(
      `^${parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*')}$`,
    );
    return !lines.some((candidate) => pattern.test(candidate));
  });
}

/** Figures, ports and times differ from run to run, and so do the blanks in front of a figure. */
function withoutNumbers(line: string): string {
  return line.trim().replaceAll(/ *\d[\d,.:]*/g, ' 0');
}

describe('the commands of the pages', () => {
  it('all have a check', () => {
    expect(commands.length).toBeGreaterThan(60);
    const unknown = commands.filter((command) => checkOf(command) === undefined);
    expect(unknown.map(({ path, line, words }) => `${path}:${line} ${words.join(' ')}`)).toEqual([]);
  });

  it.each(
    commands.map((command) => ({
      ...command,
      name: [command.path, command.line, ...command.words].join(' ').replaceAll(/\s+/g, ' '),
    })),
  )(
    '$name',
    async (command) => {
      const printed = await checkOf(command)?.(command);
      if (command.output.length === 0) return;
      expect(printed).toBeDefined();
      expect(notPrinted(command.output, printed ?? '')).toEqual([]);
    },
    COMMAND_MS_MAX * 2,
  );
});

describe('the README of the root', () => {
  const readme = documents.find(({ path }) => path === 'README.md')?.text ?? '';

  it('shows what its first commands print', () => {
    const shown = commands.filter(({ path, output }) => path === 'README.md' && output.length > 0);
    expect(shown.map(({ words }) => words[0])).toEqual(['npm', 'curl', 'curl', 'npx', 'npx']);
  });

  it('names the versions that are needed, and those that the tests run on', () => {
    const [, node, nats = '', postgres] =
      /Node (≥ [\d.]+), nats-server ≥ ([\d.]+), Postgres ≥ (\d+)\./.exec(readme) ?? [];
    expect(node?.replace(' ', '')).toBe(minimum.node.replace('>=', '≥'));
    expect(minimum.nats.startsWith(`${nats}.`)).toBe(true);
    expect(Number(postgres)).toBeLessThanOrEqual(Number.parseInt(minimum.postgres));
    expect(readme).toContain(
      `The tests run on nats-server ${minimum.nats} and Postgres ${Number.parseInt(minimum.postgres)}.`,
    );
  });
});

describe('the page of the gateway', () => {
  it('shows how a client in JavaScript signs in', async () => {
    const page = documents.find(({ path }) => path === 'apps/gateway/README.md');
    const code = codeBlocks(page ?? { path: '', text: '' }).filter(({ text }) => text.includes('connect({'));
    expect(code).toHaveLength(1);
    const file = join(folder, 'client.mjs');
    const client = import.meta.resolve('@nats-io/transport-node');
    const program = [
      `import { connect } from ${JSON.stringify(client)};`,
      `const ready = ${JSON.stringify(ready)};`,
      code[0]?.text,
      'await connection.flush();',
      'console.log("signed in");',
      'await connection.close();',
    ];
    writeFileSync(file, program.join('\n'));
    expect(await run(process.execPath, [file])).toEqual({ code: 0, printed: 'signed in\n' });
  });
});

describe('the system that the README started', () => {
  it('ends on Ctrl-C, in order, and leaves nothing behind', async () => {
    await system.interrupt();
    expect(system.output).toMatch(/^Stopped\.$/m);
    expect(existsSync(ready.data)).toBe(false);
  }, 60_000);
});

describe('the check of a command', () => {
  it.each([
    ['npm run nothing', 'npm'],
    ['sudo reboot', 'sudo'],
    ['docker run x', 'docker'],
  ])('does not exist for %s', (text) => {
    expect(checkOf({ words: text.split(' ') })).toBeUndefined();
  });

  it('compares what a page shows with what was printed', () => {
    const printed = '  ✔ brokers    3 nodes, nats-2 leads (0.7 s)\nready {"a":"b","pids":{"x":1}}\n';
    expect(notPrinted(['✔ brokers    5 nodes, nats-1 leads (12.5 s)', '…'], printed)).toEqual([]);
    expect(notPrinted(['ready {"a":"…","pids":{…}}'], printed)).toEqual([]);
    expect(notPrinted(['ready {"b":"…"}', '✔ broker'], printed)).toEqual(['ready {"b":"…"}', '✔ broker']);
  });
});
