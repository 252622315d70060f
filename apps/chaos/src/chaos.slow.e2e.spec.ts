/**
 * The judge must be able to say no: it finds and names every sabotage, each wrong in one way. And it says yes to a
 * system without sabotage.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemEnvironment } from '#config';
import type { VerdictFile } from './report/verdict-file.js';
import { builtProgram } from './system/repository.js';
import { UpProcess } from './system/up-process.js';

const RUN_MS_MAX = 170_000;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-chaos-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function chaos(...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [builtProgram('cli'), 'chaos', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_MS_MAX,
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

/** A short run on one broker, so that there are no elections to wait for. */
async function sabotaged(
  name: string,
  minutes: number,
  faults: string,
): Promise<{ readonly code: number | null; readonly verdict: VerdictFile }> {
  const bounds = ['--nodes', '1', '--seed', '5', '--minutes', String(minutes), '--faults', faults];
  const { code, out } = await chaos(...bounds, '--json', '--out', join(folder, name), '--sabotage', name);
  const last = out.trim().split('\n').at(-1) ?? '';
  return { code, verdict: JSON.parse(last === '' ? '{}' : last) as VerdictFile };
}

describe('the verdict of the judge', () => {
  it.each([
    ['ack-before-commit', 0.4, 'kill-worker,stop-postgres', 'lost'],
    // The rows alone show it, because a kill may miss the time between the effect and its commit.
    ['effect-outside-transaction', 0.2, 'none', 'committed_apart'],
    ['no-inbox', 0.2, 'none', 'duplicated'],
    ['drop-bad-batch', 0.2, 'none', 'lost'],
    ['late-keys', 0.4, 'change-key-generation,kill-worker', 'duplicated'],
    ['forgetful-filters', 0.4, 'change-key-generation', 'duplicated'],
    ['answer-before-puback', 0.4, 'kill-gateway,fill-stream', 'lost'],
    ['bulk-hides-refusals', 0.4, 'fill-stream', 'lost'],
  ])(
    'catches %s',
    async (sabotage, minutes, faults, violation) => {
      const { code, verdict } = await sabotaged(sabotage, minutes, faults);
      // The parts that could not be read are shown too, because they explain a missing name.
      const found = verdict.violations.map(({ name }) => name);
      const required = { found: expect.arrayContaining([violation]) as unknown };
      expect({ found, unknowns: verdict.unknowns }).toMatchObject(required);
      expect(verdict.valid).toBe(false);
      expect(code).toBe(1);
    },
    RUN_MS_MAX,
  );
});

describe('the judge and the audit', () => {
  it(
    'catch believe-sequences, each by itself',
    async () => {
      const { code, verdict } = await sabotaged('believe-sequences', 0.4, 'roll-back-brokers');
      expect(verdict.violations.map(({ name }) => name)).toContain('lost');
      expect(verdict.audit).toMatchObject({ exitCode: 1 });
      expect(code).toBe(1);
    },
    RUN_MS_MAX,
  );
});

describe('a running system', () => {
  it(
    'is judged by its addresses, on topics of the run, in addition to what it had',
    async () => {
      const up = new UpProcess({
        program: builtProgram('cli'),
        args: ['--ephemeral', '--json', '--nodes', '1', '--workers', '1'],
        environment: { ...systemEnvironment(), SEKALI_DUPLICATE_WINDOW_MS: '3000' },
        logFolder: join(folder, 'given-logs'),
      });
      try {
        const { gateway, nats, postgres } = await up.start();
        const other = await fetch(`${gateway}/publish`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            topic: 'orders',
            event_id: '1',
            timestamp: '2026-11-22T10:00:00Z',
            source: 'shop',
            payload: {},
          }),
        });
        expect(other.status).toBe(202);
        const addresses = ['--gateway', gateway, '--nats', nats.join(','), '--postgres', postgres];
        const faults = ['--faults', 'cut-postgres-connections,kill-worker'];
        const bounds = ['--minutes', '0.4', '--seed', '5', '--out', join(folder, 'given')];
        const { code, out, err } = await chaos(...addresses, ...faults, ...bounds);
        expect(err).toContain('kill-worker does not apply to this system.');
        expect(err).toContain('cut-postgres-connections  healed');
        expect(out).toMatch(/^VALID/);
        expect(code).toBe(0);
        const report = join(folder, 'given');
        expect(readdirSync(report)).toEqual(
          expect.arrayContaining(['history.jsonl', 'report.html', 'summary.txt', 'verdict.json']),
        );
        const { tally } = JSON.parse(readFileSync(join(report, 'verdict.json'), 'utf8')) as VerdictFile;
        expect(tally.conflicts).toBeGreaterThan(0);
        expect(tally.deadLetters).toBeGreaterThan(0);
      } finally {
        await up.stop();
      }
    },
    RUN_MS_MAX,
  );
});

describe('the command line of sekali chaos', () => {
  it.each([
    [['--faults', 'kill-everybody'], 'no fault is called "kill-everybody"'],
    [['--sabotage', 'sleep'], 'There is no sabotage "sleep"'],
    [['--minutes', '0'], 'It must be more than 0'],
    [['--nodes', '2'], '--nodes must be 1 or 3'],
    [['--gateway', 'http://127.0.0.1:1'], 'needs all three'],
    [['--wrong'], "unknown option '--wrong'"],
  ])('refuses %j with exit code 2', async (args, reason) => {
    const { code, err } = await chaos(...args);
    expect(err).toContain(reason);
    expect(code).toBe(2);
  });

  it('refuses a folder that is not empty, and an address without a server', async () => {
    const taken = await chaos('--out', process.cwd());
    expect(taken.code).toBe(2);
    expect(taken.err).toMatch(/^sekali chaos: .*not empty/);
    const unused = ['--gateway', 'http://127.0.0.1:1', '--nats', 'nats://127.0.0.1:1'];
    const away = await chaos(
      '--out',
      join(folder, 'away'),
      ...unused,
      '--postgres',
      'postgres://a@127.0.0.1:1/a',
    );
    expect(away.code).toBe(2);
    expect(away.err).toMatch(/ECONNREFUSED/);
  });

  it(
    'stops everything on Ctrl-C',
    async () => {
      const out = join(folder, 'interrupted');
      const child = spawn(
        process.execPath,
        [builtProgram('cli'), 'chaos', '--nodes', '1', '--json', '--out', out],
        {
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
      child.stderr.resume();
      await new Promise<void>((resolve) => {
        child.stdout.on('data', (chunk: Buffer) => {
          if (chunk.toString().includes('"phase":"load"')) resolve();
        });
      });
      child.kill('SIGINT');
      expect(await ended).toBe(130);
      expect(existsSync(join(out, 'verdict.json'))).toBe(false);
      expect(existsSync(join(out, 'history.jsonl'))).toBe(true);
    },
    RUN_MS_MAX,
  );
});
