import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDataDirectory, readRunningSystem, type RunningSystem } from './data-directory.js';
import type { LockRecord } from './data-directory-lock.js';
import { identifyProcess, type ProcessIdentity } from './process-identity.js';

let folder: string;
let lockFile: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-data-'));
  lockFile = join(folder, 'lock.json');
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function startProcess(): Promise<ProcessIdentity> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return identifyProcess(child.pid as number);
}

async function endedProcess(): Promise<ProcessIdentity> {
  const identity = await startProcess();
  const child = children.at(-1) as ChildProcess;
  child.kill('SIGKILL');
  await once(child, 'exit');
  return identity;
}

function leaveLock(lock: Partial<LockRecord>): void {
  writeFileSync(lockFile, JSON.stringify({ since: 'earlier', children: [], ...lock }));
}

describe('a data directory', () => {
  it('has one user at a time, and is free again when closed', () => {
    const first = openDataDirectory(folder);
    expect(first.notice).toBeUndefined();
    expect(() => openDataDirectory(folder)).toThrow(
      `Another "sekali up" (pid ${process.pid}) uses ${folder}: stop it`,
    );
    first.close();
    openDataDirectory(folder).close();
    expect(existsSync(lockFile)).toBe(false);
  });

  it('is refused in one line where nothing can be made', () => {
    const nowhere = process.platform === 'linux' ? '/proc/sekali/data' : join(folder, 'file', 'data');
    writeFileSync(join(folder, 'file'), '');
    expect(() => openDataDirectory(nowhere)).toThrow(
      /data (cannot be written \(E\w+\): run as|is not a directory)/,
    );
  });

  it('records the processes started, with the moment they started', async () => {
    const child = await startProcess();
    const directory = openDataDirectory(folder);
    directory.recordChildren({ 'worker-1': child.pid });
    expect((JSON.parse(readFileSync(lockFile, 'utf8')) as LockRecord).children).toEqual([
      { name: 'worker-1', ...child },
    ]);
    directory.close();
  });

  it('is taken over, with a notice, when its user and all its processes have ended', async () => {
    const owner = await endedProcess();
    leaveLock({ owner, children: [{ name: 'nats-1', ...(await endedProcess()) }] });
    const directory = openDataDirectory(folder);
    expect(directory.notice).toBe(
      `Took over the lock of an earlier "sekali up" (pid ${owner.pid}) that was killed; none of its processes is left.`,
    );
    directory.close();
  });

  it('is refused, with the command that helps, while a process of its dead user lives', async () => {
    const child = await startProcess();
    leaveLock({ owner: await endedProcess(), children: [{ name: 'nats-1', ...child }] });
    expect(() => openDataDirectory(folder)).toThrow(
      `An earlier "sekali up" was killed and left nats-1 (pid ${child.pid}) running: end them with "kill ${child.pid}" and start again.`,
    );
  });

  it('knows a pid that was given to another process', async () => {
    const other = await startProcess();
    leaveLock({ owner: { ...other, startedAt: 'another start' }, children: [] });
    expect(openDataDirectory(folder).notice).toContain('Took over');
  });

  it('says in one line that its lock is damaged', () => {
    writeFileSync(lockFile, '{"owner": 12');
    expect(() => openDataDirectory(folder)).toThrow(
      /^[^\n]*lock\.json is damaged: [^\n]*delete that file and start again\.$/,
    );
  });

  it('says in one line that it is not a directory', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => openDataDirectory(join(folder, 'file'))).toThrow(/is not a directory/);
  });

  it('remembers what it was made with', () => {
    const directory = openDataDirectory(folder);
    directory.checkLayout({ postgresMajor: 18, nodes: 3 });
    directory.checkLayout({ postgresMajor: 18, nodes: 3 });
    expect(() => directory.checkLayout({ postgresMajor: 18, nodes: 1 })).toThrow(
      `${folder} was made with 3 brokers, not 1: give --nodes 3, or choose another directory with --data.`,
    );
    writeFileSync(join(folder, 'layout.json'), '{');
    expect(() => directory.checkLayout({ postgresMajor: 18, nodes: 3 })).toThrow('it is damaged');
    directory.close();
  });
});

describe('where a system runs', () => {
  const system: RunningSystem = {
    gateway: 'http://127.0.0.1:1',
    gateways: ['http://127.0.0.1:1'],
    nats: ['nats://127.0.0.1:2'],
    postgres: 'postgres://127.0.0.1:3/sekali',
    data: '/data',
  };
  const pretend = (owner: unknown): void => {
    writeFileSync(lockFile, JSON.stringify({ owner, since: 'now', children: [] }));
    writeFileSync(join(folder, 'running.json'), JSON.stringify(system));
  };

  it('is reported while it runs', () => {
    const directory = openDataDirectory(folder);
    directory.recordRunning(system);
    expect(readRunningSystem(folder)).toEqual(system);
    directory.close();
    expect(readRunningSystem(folder)).toBeUndefined();
  });

  it('is not believed where somebody else has written it down beforehand', async () => {
    const ended = await endedProcess();
    for (const owner of [ended, { pid: process.pid, startedAt: null }, { pid: 1, startedAt: 'boot/1' }]) {
      pretend(owner);
      expect(readRunningSystem(folder)).toBeUndefined();
    }
    rmSync(lockFile);
    expect(readRunningSystem(folder)).toBeUndefined();
    pretend(await startProcess());
    expect(readRunningSystem(folder)).toEqual(system);
  });
});
