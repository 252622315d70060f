/** Collects the violations: exact counts, and some examples of each. */
import { VIOLATIONS, type Violation, type ViolationName } from './verdict.js';

const EXAMPLES_MAX = 20;

/** The violations of one run. */
export class Violations {
  private readonly found = new Map<ViolationName, { count: number; examples: string[] }>();

  /** @param example called only while there are not enough of them; says what and where, in one line */
  add(name: ViolationName, example: () => string): void {
    let violation = this.found.get(name);
    if (violation === undefined) this.found.set(name, (violation = { count: 0, examples: [] }));
    violation.count++;
    if (violation.examples.length < EXAMPLES_MAX) violation.examples.push(example());
  }

  has(names: readonly ViolationName[]): boolean {
    return names.some((name) => this.found.has(name));
  }

  get none(): boolean {
    return this.found.size === 0;
  }

  /** In the order of `VIOLATIONS`. */
  list(): Violation[] {
    return (Object.keys(VIOLATIONS) as ViolationName[]).flatMap((name) => {
      const violation = this.found.get(name);
      return violation === undefined ? [] : [{ name, ...violation }];
    });
  }
}
