/** A local system starts as requested, and has ended completely afterwards, whatever was done to it. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { LocalSystem, type LocalSystemOptions } from './local-system.js';
import { builtProgram } from './repository.js';
import { isAlive } from './signals.js';

const TEST_MS_MAX = 90_000;

describe('LocalSystem', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'local-system-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function options(changes: Partial<LocalSystemOptions> = {}): LocalSystemOptions {
    const worker = { program: builtProgram('worker') };
    return { folder, nodes: 1, worker, consumers: ['store'], ...changes };
  }

  function pidsOf(system: LocalSystem): number[] {
    return system.processes.flatMap(({ pid }) => pid ?? []);
  }

  /** The pid of `up` itself: the parent of what it started. */
  function parentOf(pid: number): number {
    return Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }));
  }

  async function nothingIsLeft(system: LocalSystem, pids: readonly number[], store: string): Promise<void> {
    await system.stop();
    expect(pids.filter(isAlive)).toEqual([]);
    expect(existsSync(dirname(dirname(store)))).toBe(false);
  }

  it(
    'is stopped although processes are paused, links are cut and restarts are held',
    async () => {
      const system = await LocalSystem.start(options());
      const names = ['gateway-1', 'gateway-p1', 'nats-1', 'postgres', 'worker-p1', 'worker-p2'];
      expect(system.processes.map(({ name }) => name).sort()).toEqual(names);
      const [pids, store] = [pidsOf(system), system.brokerStore('nats-1') as string];
      expect(pids).toHaveLength(names.length);
      system.holdRestarts();
      system.link('worker-postgres')?.blackHole();
      for (const one of system.processes) one.kill('SIGSTOP');
      await nothingIsLeft(system, pids, store);
      await system.stop();
    },
    TEST_MS_MAX,
  );

  it(
    'is stopped although "up" was killed, and reports that it was',
    async () => {
      let lost: string | undefined;
      const system = await LocalSystem.start(options({ onLost: (what) => (lost = what) }));
      const [pids, store] = [pidsOf(system), system.brokerStore('nats-1') as string];
      const broker = system.processes.find(({ role }) => role === 'broker');
      process.kill(parentOf(broker?.pid as number), 'SIGKILL');
      await waitFor(() => lost, { timeoutMs: 5_000, describe: 'the loss to be reported' });
      await nothingIsLeft(system, pids, store);
    },
    TEST_MS_MAX,
  );

  it(
    'starts nothing again while restarts are held, and everything when the last hold is released',
    async () => {
      const system = await LocalSystem.start(options());
      try {
        const [one, two] = [system.holdRestarts(), system.holdRestarts()];
        const victims = system.processes.filter(({ name }) => ['gateway-1', 'worker-p1'].includes(name));
        const pids = victims.map(({ pid }) => pid as number);
        for (const victim of victims) victim.kill('SIGKILL');
        one();
        one();
        await expect(victims[1]?.untilRestarted(pids[1] as number, 800)).rejects.toThrow(/worker-p1/);
        two();
        await Promise.all(
          victims.map((victim, index) => victim.untilRestarted(pids[index] as number, 20_000)),
        );
        expect(pids.filter(isAlive)).toEqual([]);
      } finally {
        await system.stop();
      }
    },
    TEST_MS_MAX,
  );

  it(
    'leaves nothing of a start that is aborted, or that fails',
    async () => {
      const data = (): string => {
        const ready = readFileSync(join(folder, 'logs', 'up.log'), 'utf8').split('\n');
        return (
          JSON.parse(ready.find((line) => line.includes('"event":"ready"')) as string) as { data: string }
        ).data;
      };
      const worker = { program: join(folder, 'missing.js') };
      await expect(LocalSystem.start(options({ worker }))).rejects.toThrow(
        /worker-p\d ended while it started/,
      );
      expect(existsSync(data())).toBe(false);
      const signal = AbortSignal.timeout(1_500);
      await expect(LocalSystem.start(options({ signal }))).rejects.toThrow(/timeout/);
    },
    TEST_MS_MAX,
  );
});
