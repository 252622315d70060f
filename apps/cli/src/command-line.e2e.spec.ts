/** The command line as a process: how it reacts to wrong use. The tests need the build, which `npm test` provides. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { drawFreePorts, findRepositoryRoot } from '#local-cluster';

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

const END_MS_MAX = 20_000;

let folder: string;
let unused: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-cli-'));
  writeFileSync(join(folder, 'a.log'), 'one\ntwo\n');
  writeFileSync(join(folder, 'b.log.gz'), gzipSync('one\n'));
  const [port] = await drawFreePorts(1);
  unused = `127.0.0.1:${port}`;
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function sekali(...args: string[]): Promise<Ended> {
  const main = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
  // Addresses without a system. A system that the user runs on this machine must not be written to.
  const env = {
    PATH: process.env['PATH'],
    SEKALI_GATEWAY_URL: `http://${unused}`,
    SEKALI_NATS_URLS: `nats://${unused}`,
    SEKALI_POSTGRES_URL: `postgres://${unused}/none`,
  };
  return new Promise((resolve) => {
    const options = { cwd: folder, env, timeout: END_MS_MAX };
    execFile(process.execPath, [main, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? null) : 0, stdout, stderr });
    });
  });
}

describe('the command line of sekali', () => {
  it.each([
    ['an unknown command', ['ahip'], 1, "unknown command 'ahip'"],
    ['an unknown option', ['audit', '--bogus'], 2, "unknown option '--bogus'"],
    ['an argument too many', ['audit', 'now'], 2, 'too many arguments'],
    ['no file', ['ship'], 2, "missing required argument 'file'"],
    ['a number that is none', ['simulate', '--events', 'many'], 2, 'whole number from 1 to'],
    ['a number with a tail', ['simulate', '--events', '20k'], 2, 'whole number from 1 to'],
    ['a number out of range', ['simulate', '--batch', '10001'], 2, 'whole number from 1 to 10000'],
    ['a negative number', ['simulate', '--duplicates', '-1'], 2, 'number from 0 to 100'],
    ['a wait that is not a number', ['audit', '--wait', ''], 2, 'whole number'],
    ['a choice that is none', ['simulate', '--via', 'pigeon'], 2, 'Allowed choices are http, nats'],
    ['options that do not go together', ['simulate', '--past-window'], 2, '--past-window needs --via nats'],
    ['a topic that is none', ['ship', 'a.log', '--topic', 'a..b'], 2, 'topic must be'],
    ['a missing file', ['ship', 'a.log', 'nowhere.log'], 2, 'cannot read nowhere.log: no such file'],
    ['a folder', ['ship', '.'], 2, 'is not a regular file'],
    ['a packed file to follow', ['ship', 'b.log.gz', '--follow'], 2, 'it does not grow'],
    ['standard input without a name', ['ship', '-'], 2, 'standard input needs --name'],
    ['standard input to follow', ['ship', '-', '--name', 'x', '--follow'], 2, '--follow is not for it'],
    ['a pattern that is none', ['ship', 'a.log', '--pattern', '(?P<time>.*)'], 2, 'named groups are written'],
    [
      'a pattern and a format',
      ['ship', 'a.log', '--pattern', 'x', '--format', 'json'],
      2,
      'give one of them',
    ],
    ['a zone that is none', ['ship', 'a.log', '--time-zone', 'Mars'], 2, 'zone such as Europe/Berlin'],
    [
      'lines to join, and nothing to join by',
      ['ship', 'a.log', '--format', 'plain', '--multiline'],
      2,
      'needs --start',
    ],
    ['a file twice', ['ship', 'a.log', './a.log'], 2, 'have the same name'],
    ['a name for two files', ['ship', 'a.log', 'a.log', '--name', 'x'], 2, '--name is for one file'],
    ['a gateway that is not a URL', ['ship', 'a.log', '--gateway', 'here'], 2, 'must be an http URL'],
    ['no gateway, ship', ['ship', 'a.log'], 2, 'no gateway answers'],
    ['no gateway, simulate', ['simulate'], 2, 'no gateway answers'],
    ['no folder to export to', ['export'], 2, "required option '--parquet <folder>'"],
    ['a day that is none', ['export', '--parquet', 'x', '--since', '2026-02-30'], 2, 'a day such as'],
    ['a pattern that is none', ['export', '--parquet', 'x', '--topic', 'a..b'], 2, 'a topic, or a pattern'],
    ['no database, export', ['export', '--parquet', 'x'], 2, 'the database at'],
    ['no broker, audit', ['audit'], 2, 'no broker answers'],
    ['no broker, rewind', ['rewind'], 2, 'the brokers at'],
  ])('answers %s with one clear line', async (_name, args, code, message) => {
    const ended = await sekali(...args);
    expect(ended.stderr).toContain(message);
    expect(ended.stderr).not.toMatch(/\n\s+at /);
    // The line itself, a suggestion, and where to read more.
    expect(ended.stderr.trim().split('\n').length).toBeLessThanOrEqual(3);
    expect(ended.stdout).toBe('');
    expect(ended.code).toBe(code);
  });

  it.each(['audit', 'simulate', 'ship', 'rewind', 'dead-letters', 'export'])(
    'explains %s, with examples and exit codes',
    async (command) => {
      const { code, stdout } = await sekali(command, '--help');
      expect(code).toBe(0);
      expect(stdout).toContain('Examples:');
      expect(stdout).toContain('Exit codes:');
    },
  );
});

describe('a folder with files of somebody else', () => {
  it('does not decide where a command goes', async () => {
    const [port] = await drawFreePorts(1);
    const theirs = mkdtempSync(join(tmpdir(), 'sekali-theirs-'));
    const evil = `127.0.0.1:${port}`;
    const settings = {
      SEKALI_GATEWAY_URL: `http://${evil}`,
      SEKALI_NATS_URLS: evil,
      SEKALI_NATS_SERVER: './evil',
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    writeFileSync(join(theirs, '.env'), lines.join('\n'));
    writeFileSync(join(theirs, 'package.json'), '{"name":"sekali"}');
    mkdirSync(join(theirs, '.sekali'));
    const running = {
      gateway: `http://${evil}`,
      gateways: [],
      nats: [evil],
      postgres: `postgres://${evil}/x`,
    };
    writeFileSync(join(theirs, '.sekali', 'running.json'), JSON.stringify(running));
    writeFileSync(
      join(theirs, '.sekali', 'lock.json'),
      JSON.stringify({ owner: { pid: 1, startedAt: null }, since: 'now', children: [] }),
    );
    const main = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
    const environment = { PATH: process.env['PATH'], SEKALI_GATEWAY_URL: `http://${unused}` };
    const ended = await new Promise<string>((resolve) => {
      const options = { cwd: theirs, env: environment, timeout: END_MS_MAX };
      execFile(process.execPath, [main, 'audit', '--timeout', '10'], options, (_error, stdout, stderr) => {
        resolve(`${stdout}${stderr}`);
      });
    });
    rmSync(theirs, { recursive: true });
    expect(ended).not.toContain(evil);
    expect(ended).toMatch(/^settings: .*\.env has settings and is not read/m);
  });
});
