/**
 * Ends this process when its event loop hangs, so that what supervises it starts another.
 *
 *   event loop ─a beat every tick─▶ shared counter ◀─read every tick─ thread (hang-thread.ts) ─no beat for hungMs─▶ SIGKILL
 *
 * A container engine restarts what exits, and not what hangs. A loop in a handler, or in a regular expression, would stop a
 * worker until a person restarts it. The thread counts its own ticks and not the clock: a process that was paused, or a
 * machine that slept, misses no beat. SIGKILL is the way because a loop that hangs runs no handler of a signal. Nothing is
 * lost by it, since what is not acknowledged is delivered again.
 */
import { Worker } from 'node:worker_threads';
import type { HangThreadData } from './hang-thread.js';

const HUNG_MS = 30_000;
const TICKS = 30;
/** V8's bounds for the thread. With 4 and 1 it does not start; it takes 7 MB of the process's memory. */
const THREAD_HEAP_MB = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 };

/**
 * Guards this process until it ends.
 *
 * @param name of the program, for the line that it writes to the error output before it ends
 * @param hungMs how long the event loop may do nothing else than what it is doing; 30 s when left out
 */
export function endWhenHung(name: string, hungMs = HUNG_MS): void {
  const beats = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const tickMs = hungMs / TICKS;
  setInterval(() => Atomics.add(beats, 0, 1), tickMs).unref();
  const workerData: HangThreadData = { name, beats, tickMs, hungMs, ticksMax: TICKS };
  const thread = new Worker(new URL('./hang-thread.js', import.meta.url), {
    workerData,
    execArgv: [],
    resourceLimits: THREAD_HEAP_MB,
  });
  thread.unref();
  // Without the thread the program works as well as before.
  thread.on('error', ({ message }) => {
    process.stderr.write(`${name}: a hanging event loop would not be noticed: ${message}\n`);
  });
}
