/**
 * How much memory a process may take beyond what it holds.
 *
 * V8 lets the heap grow to several times what is alive before it collects the rest, as long as the machine has memory.
 * That suits a program alone on its machine, not one of several in containers with limits: a gateway that held 60 MB
 * took 300. Collecting earlier costs some processor time (bench, group "memory" and the HTTP groups, show both).
 *
 * The other way round for what is young in a worker. Events under way outlive several collections of V8's nursery of 16 MB,
 * and each copies all of them; with 24 MB there are fewer, which saves a tenth of what a drain costs the program, and 32 MB
 * save no more. The size is settled when a process starts, so it is an argument. A gateway gains little by it.
 */
import { setFlagsFromString } from 'node:v8';

/** What a worker is started with: `node`, these, and its script. Without them it only is slower. */
export const WORKER_HEAP_ARGUMENTS: readonly string[] = ['--max-semi-space-size=24'];

/**
 * What a gateway or a worker is started with beside its settings. V8's helper threads free what the main thread took, and
 * glibc would keep an arena for each of them: one arena is 10 to 20 MB less, at the same speed. Only glibc knows it.
 */
export const PROGRAM_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' };

/**
 * Bounds the growth of this process's heap, from the next collection on.
 *
 * @param percent between two collections the heap may grow by so much of what was alive
 */
export function boundHeapGrowth(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}
