/**
 * How much memory a process may take beyond its live data.
 *
 * While the machine has memory, V8 lets the heap grow to several times the live data before it collects. That suits one
 * program per machine, but not several in containers with limits: a gateway with 60 MB of data took 300. Collecting
 * earlier costs some processor time (bench, group "memory" and the HTTP groups, show both).
 *
 * For young objects in a worker the opposite helps. Events under way survive several collections of V8's nursery of 16
 * MB, and each collection copies all of them. With 24 MB there are fewer collections, which saves a tenth of a drain's
 * processor time. 32 MB save no more. The size is fixed when a process starts, so it is an argument. A gateway gains
 * little by it.
 */
import { setFlagsFromString } from 'node:v8';

/** The start arguments of a worker: `node`, these, and its script. Without them a worker is only slower. */
export const WORKER_HEAP_ARGUMENTS: readonly string[] = ['--max-semi-space-size=24'];

/**
 * The start environment of a gateway or a worker, in addition to its settings. V8's helper threads free what the main
 * thread allocated, and glibc would keep an arena for each thread. One arena saves 10 to 20 MB at the same speed. Only
 * glibc reads it.
 */
export const PROGRAM_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' };

/**
 * Bounds the growth of this process's heap, from the next collection on.
 *
 * @param percent growth allowed between two collections, in percent of the live data
 */
export function boundHeapGrowth(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}
