/**
 * How much processor time processes have used, as Linux counts it. Other systems do not offer this figure.
 *
 * On a shared machine it is steadier than elapsed time, because it does not include waiting for the processor.
 */
import { readFileSync } from 'node:fs';

/** The unit of the times in /proc, on every Linux. */
const MS_PER_TICK = 10;

/** Processor time, in milliseconds since each process began. */
export interface ProcessorMs {
  /** The program that is measured. */
  readonly program: number;
  /** The server and its sessions. */
  readonly postgres: number;
  /** All nodes. */
  readonly brokers: number;
}

/** Whether this machine offers the figure. */
export const canReadProcessorTime = process.platform === 'linux';

/**
 * The processor time of one process and its children, including those that ended. It is 0 after the process has ended.
 *
 * The time of a child that ends between two samples is added to its parent's, so nothing is lost.
 */
export function processorMs(pid: number): number {
  const stat = textOf(`/proc/${pid}/stat`);
  if (stat === undefined) return 0;
  return childrenOf(pid).reduce((sum, child) => sum + processorMs(child), parseProcessorMs(stat));
}

/** The ids of the processes that a process has started; empty after it has ended. */
export function childrenOf(pid: number): number[] {
  const ids = textOf(`/proc/${pid}/task/${pid}/children`)?.trim().split(' ') ?? [];
  return ids.filter(Boolean).map(Number);
}

/** Reads user and system time of a process, and of its children that ended, from the text of /proc/<pid>/stat. */
export function parseProcessorMs(stat: string): number {
  // The name, in brackets, may itself contain spaces and brackets. Field 3 follows it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  if (fields.length < 15 || Number.isNaN(ticks)) throw new Error('/proc/<pid>/stat is not as expected.');
  return ticks * MS_PER_TICK;
}

/** What was used between two samples. */
export function usedBetween(before: ProcessorMs, after: ProcessorMs): ProcessorMs {
  return {
    program: after.program - before.program,
    postgres: after.postgres - before.postgres,
    brokers: after.brokers - before.brokers,
  };
}

/** Microseconds per event. */
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
    // The process has ended.
    return undefined;
  }
}
