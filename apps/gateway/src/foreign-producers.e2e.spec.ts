/**
 * The programs of PRODUCERS.md in Python and Go, on the clients of the versions that the page names.
 *
 * `npm run test:producers` runs it, because it needs `python3` and `go` in the PATH and their package registries.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ProducerTrial, producersPage, storedOnce } from './test/producer-trial.js';

const RUN_MS_MAX = 300_000;
const WAYS = ['with', 'without'] as const;
const folder = mkdtempSync(join(tmpdir(), 'sekali-producers-'));
let trial: ProducerTrial;

beforeAll(async () => {
  trial = await ProducerTrial.start();
});

afterAll(() => {
  // Go keeps its modules read-only.
  execFileSync('chmod', ['-R', 'u+w', folder]);
  rmSync(folder, { recursive: true, force: true });
});

/** The version of a package that the page names. */
function versionOf(name: string): string {
  const escaped = name.replaceAll('.', '\\.');
  const [, version = ''] = new RegExp(`\`${escaped}\` (v?[\\d.]+\\d)`).exec(producersPage()) ?? [];
  expect(version).toMatch(/\d$/);
  return version;
}

function execute(command: string, args: readonly string[], cwd: string): void {
  execFileSync(command, args, { cwd, stdio: 'pipe' });
}

describe('nats-py', () => {
  beforeAll(() => {
    execute('python3', ['-m', 'venv', 'python'], folder);
    execute('python/bin/pip', ['install', '--quiet', `nats-py==${versionOf('nats-py')}`], folder);
  }, RUN_MS_MAX);

  it.each(WAYS)(
    'has 20,000 events stored once that it sends twice %s message ids',
    async (name) => {
      const messageId = name === 'with' ? undefined : /, headers=headers/;
      writeFileSync(join(folder, `${name}.py`), trial.program('python', messageId));
      const run = { command: 'python/bin/python', args: [`${name}.py`], folder };
      expect(await trial.sendTwice(`python.${name}`, run)).toEqual(storedOnce(name === 'with'));
    },
    RUN_MS_MAX,
  );
});

describe('nats.go', () => {
  it.each(WAYS)(
    'has 20,000 events stored once that it sends twice %s message ids',
    async (name) => {
      const module = 'github.com/nats-io/nats.go';
      const own = join(folder, `go-${name}`);
      mkdirSync(own);
      const messageId = name === 'with' ? undefined : /^.*WithMsgID.*\n/m;
      writeFileSync(join(own, 'main.go'), trial.program('go', messageId));
      execute('go', ['mod', 'init', 'producer'], own);
      execute('go', ['get', `${module}@${versionOf(module)}`], own);
      execute('go', ['build', '-o', 'producer', '.'], own);
      const run = { command: './producer', args: [], folder: own };
      expect(await trial.sendTwice(`go.${name}`, run)).toEqual(storedOnce(name === 'with'));
    },
    RUN_MS_MAX,
  );
});
