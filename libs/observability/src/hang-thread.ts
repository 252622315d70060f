/** The thread of hang-guard.ts. It shares no event loop with what it guards. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** What the thread is given. */
export interface HangThreadData {
  readonly name: string;
  /** One counter, which the event loop increases at least once a tick. */
  readonly beats: Int32Array;
  readonly tickMs: number;
  /** Ticks without a beat after which the process ends. */
  readonly ticksMax: number;
}

const STANDARD_ERROR = 2;

const { name, beats, tickMs, ticksMax } = workerData as HangThreadData;
let last = -1;
let missed = 0;

setInterval(() => {
  const beat = Atomics.load(beats, 0);
  missed = beat === last ? missed + 1 : 0;
  last = beat;
  if (missed < ticksMax) return;
  const seconds = (tickMs * ticksMax) / 1_000;
  try {
    writeSync(STANDARD_ERROR, `${name}: the event loop has hung for ${seconds} s; the process ends now\n`);
  } finally {
    process.kill(process.pid, 'SIGKILL');
  }
}, tickMs);
