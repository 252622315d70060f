/** A process whose event loop hangs ends by itself; one that works hard, or was paused, does not. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';

const GUARD = new URL('../../../dist/libs/observability/src/index.js', import.meta.url).href;
const HUNG_MS = 1_000;

/** Starts a program with the guard. Its first output says that it runs. */
async function started(body: string): Promise<{ child: ChildProcess; said: () => string }> {
  const script = `
    import { endWhenHung } from ${JSON.stringify(GUARD)};
    endWhenHung('worker', ${HUNG_MS});
    process.stdout.write('runs');
    const spin = (ms) => { for (const end = performance.now() + ms; performance.now() < end; ); };
    ${body}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child.stdout, 'data');
  return { child, said: () => said };
}

describe('the guard against a hanging event loop', () => {
  it('ends the process and says why', async () => {
    const { child, said } = await started('setTimeout(() => { for (;;); }, 100);');
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    expect([code, signal]).toEqual([null, 'SIGKILL']);
    expect(said()).toBe('worker: the event loop has hung for 1 s; the process ends now\n');
  });

  it('leaves a process alone that works without a pause, a little at a time', async () => {
    const { child, said } = await started(
      'const end = Date.now() + 2500; const work = () => { spin(5); if (Date.now() < end) setImmediate(work); }; work();',
    );
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(said()).toBe('');
  });

  it('leaves a process alone that was paused for longer', async () => {
    const { child, said } = await started('setTimeout(() => undefined, 2500);');
    child.kill('SIGSTOP');
    await pause(3 * HUNG_MS);
    child.kill('SIGCONT');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(said()).toBe('');
  });

  it('does not keep a process alive that has nothing left to do', async () => {
    const { child } = await started('');
    expect(await once(child, 'close')).toEqual([0, null]);
  });
});
