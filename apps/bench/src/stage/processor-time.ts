/**
 * How much processor time processes have used, as Linux counts it. Other systems do not tell this way.
 *
 * On a machine that others use too it is steadier than the time that passes: waiting for the processor is not in it.
 */
import { readFileSync } from 'node:fs';

/** What /proc counts in, on every Linux. */
const MS_PER_TICK = 10;

/** Processor time, in milliseconds since each process began. */
export interface ProcessorMs {
  /** What is measured. */
  readonly program: number;
  /** Server and sessions. */
  readonly postgres: number;
  /** All nodes. */
  readonly brokers: number;
}

/** Whether it can be told on this machine. */
export const canReadProcessorTime = process.platform === 'linux';

/**
 * Of one process and its children, those that ended included. 0 when it is gone.
 *
 * A child that ends between two looks moves its time to its parent's account, so nothing is lost.
 */
export function processorMs(pid: number): number {
  const stat = textOf(`/proc/${pid}/stat`);
  if (stat === undefined) return 0;
  const children = textOf(`/proc/${pid}/task/${pid}/children`)?.trim().split(' ').filter(Boolean) ?? [];
  return children.reduce((sum, child) => sum + processorMs(Number(child)), parseProcessorMs(stat));
}

/** Reads user and system time of a process, and of its children that ended, from the text of /proc/<pid>/stat. */
export function parseProcessorMs(stat: string): number {
  // The name, in brackets, may hold spaces and brackets of its own; after it comes field 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  if (fields.length < 15 || Number.isNaN(ticks)) throw new Error('/proc/<pid>/stat is not as expected.');
  return ticks * MS_PER_TICK;
}

/** What was used between two looks. */
export function usedBetween(before: ProcessorMs, after: ProcessorMs): ProcessorMs {
  return {
    program: after.program - before.program,
    postgres: after.postgres - before.postgres,
    brokers: after.brokers - before.brokers,
  };
}

/** Microseconds an event. */
export function perEventUs(used: ProcessorMs, events: number): ProcessorUs {
  const us = (ms: number): number => (ms * 1_000) / events;
  return { program: us(used.program), postgres: us(used.postgres), brokers: us(used.brokers) };
}

/** Processor time of one event, in microseconds. */
export type ProcessorUs = ProcessorMs;

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended.
    return undefined;
  }
}
