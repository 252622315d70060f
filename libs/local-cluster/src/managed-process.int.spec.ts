import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { poll } from '#waiting';
import { ManagedProcess } from './managed-process.js';

let folder: string;
let made: ManagedProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-process-'));
  made = [];
});
afterEach(async () => {
  await Promise.all(made.map((one) => one.stop({ timeoutMs: 0 })));
  rmSync(folder, { recursive: true, force: true });
});

function node(script: string, channel = false): ManagedProcess {
  const logFile = join(folder, 'out.log');
  const one = new ManagedProcess({
    name: 'one',
    command: process.execPath,
    args: ['-e', script],
    logFile,
    channel,
  });
  made.push(one);
  return one;
}

const untilItSays = (one: ManagedProcess, text: string) =>
  poll(() => one.logTail().includes(text) || undefined, { timeoutMs: 10_000 });

describe('a managed process', () => {
  it('reports how it ended, logs what it wrote in this run, and can be started again', async () => {
    const one = node('console.log("run " + process.pid); process.exitCode = 7');
    expect(await one.runToEnd({ timeoutMs: 10_000 })).toEqual({ code: 7, signal: null });
    const firstLog = one.logTail();
    const starts: number[] = [];
    one.onStart((pid) => starts.push(pid));
    await one.runToEnd({ timeoutMs: 10_000 });
    expect(one.logTail()).toEqual([`run ${starts[0]}`]);
    expect(one.logTail()).not.toEqual(firstLog);
    expect(one.pid).toBeUndefined();
  });

  it('is killed when it does not heed the request', async () => {
    const one = node('process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("deaf")');
    await one.start();
    expect(await untilItSays(one, 'deaf')).toBe(true);
    expect(await one.stop({ timeoutMs: 100 })).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('hears the request even when it was paused', async () => {
    const one = node(
      'process.on("SIGTERM", () => process.exit(3)); setInterval(() => {}, 1000); console.log("up")',
    );
    await one.start();
    expect(await untilItSays(one, 'up')).toBe(true);
    one.kill('SIGSTOP');
    expect(await one.stop({ timeoutMs: 10_000 })).toEqual({ code: 3, signal: null });
  });

  it('is stopped when the work is given up or takes too long', async () => {
    const one = node('setInterval(() => {}, 1000)');
    expect(await one.runToEnd({ timeoutMs: 50 })).toBeUndefined();
    expect(one.pid).toBeUndefined();
    const abort = new AbortController();
    one.onStart(() => abort.abort(new Error('given up')));
    await expect(one.runToEnd({ timeoutMs: 10_000, signal: abort.signal })).rejects.toThrow('given up');
    expect(one.pid).toBeUndefined();
  });

  it('says in one line that it cannot be started', async () => {
    const one = new ManagedProcess({
      name: 'one',
      command: join(folder, 'nothing'),
      args: [],
      logFile: join(folder, 'out.log'),
    });
    await expect(one.start()).rejects.toThrow(`one cannot be started: ${join(folder, 'nothing')}: ENOENT.`);
  });

  it('passes on what the process says over its channel', async () => {
    const one = node('process.send({ type: "ready" }); process.disconnect()', true);
    const messages: unknown[] = [];
    one.onMessage((message) => messages.push(message));
    await one.runToEnd({ timeoutMs: 10_000 });
    expect(messages).toEqual([{ type: 'ready' }]);
  });
});
