/** The thread of hang-guard.ts. It shares no event loop with what it guards. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** What the thread is given. */
export interface HangThreadData {
  readonly name: string;
  /** One counter, which the event loop increases at least once a tick. */
  readonly beats: Int32Array;
  readonly tickMs: number;
  /** What the ticks are in all, in milliseconds. */
  readonly hungMs: number;
  /** Ticks without a beat after which the process ends. */
  readonly ticksMax: number;
}

const STANDARD_ERROR = 2;

const { name, beats, tickMs, hungMs, ticksMax } = workerData as HangThreadData;
let last = -1;
let missed = 0;

setInterval(() => {
  const beat = Atomics.load(beats, 0);
  missed = beat === last ? missed + 1 : 0;
  last = beat;
  if (missed < ticksMax) return;
  try {
    writeSync(
      STANDARD_ERROR,
      `${name}: the event loop has hung for ${hungMs / 1_000} s; the process ends now\n`,
    );
  } finally {
    process.kill(process.pid, 'SIGKILL');
  }
}, tickMs);
