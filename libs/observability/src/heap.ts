/**
 * How much memory a process may take beyond what it holds.
 *
 * V8 lets the heap grow to several times what is alive before it collects the rest, as long as the machine has memory.
 * That suits a program alone on its machine, not one of several in containers with limits: a gateway that held 60 MB
 * took 300. Collecting earlier costs some processor time (bench, group "memory" and the HTTP groups, show both).
 */
import { setFlagsFromString } from 'node:v8';

/** Between two collections the heap may grow by so much of what was alive. */
const GROWTH_PERCENT = 35;

/** Bounds the growth of this process's heap, from the next collection on. */
export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
