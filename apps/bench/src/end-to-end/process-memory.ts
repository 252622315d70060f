/** How much memory a process has had resident, as Linux counts it. Other systems do not offer this figure. */
import { readFile } from 'node:fs/promises';

const BYTES_PER_KB = 1_024;
const BYTES_PER_MB = 1_000_000;

/** Whether this machine offers the figure. */
export const canReadMemory = process.platform === 'linux';

/** The most that a running process has had resident since it started, in MB (10⁶ bytes). */
export async function peakMemoryMb(pid: number): Promise<number> {
  return parsePeakMb(await readFile(`/proc/${pid}/status`, 'utf8'));
}

/** Reads `VmHWM` from the text of /proc/<pid>/status. Throws when the line is missing. */
export function parsePeakMb(status: string): number {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  if (kilobytes === undefined) throw new Error('/proc/<pid>/status has no line VmHWM.');
  return (Number(kilobytes) * BYTES_PER_KB) / BYTES_PER_MB;
}
