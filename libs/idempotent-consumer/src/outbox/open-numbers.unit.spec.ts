/** Every interleaving of transactions and a relay, drawn at random: no committed row is passed by, none is read twice. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { advance, type OpenRange, type RelayPosition } from './open-numbers.js';

/** A transaction gets its id before its numbers, as the outbox has it. */
interface Running {
  readonly xid: number;
  readonly numbers: number[];
}

/** Postgres as far as the relay sees it. */
class Model {
  private nextXid = 1;
  private nextNumber = 1;
  private readonly running: Running[] = [];
  private readonly visible = new Set<number>();
  readonly committed: number[] = [];
  position: RelayPosition = { passed: 0, open: [] };
  readonly read: number[] = [];

  begin(): void {
    this.running.push({ xid: this.nextXid++, numbers: [] });
  }

  add(which: number, count: number): void {
    const one = this.running[which % Math.max(1, this.running.length)];
    if (one !== undefined) for (let n = 0; n < count; n += 1) one.numbers.push(this.nextNumber++);
  }

  end(which: number, commits: boolean): void {
    const [one] = this.running.splice(which % Math.max(1, this.running.length), 1);
    if (one === undefined || !commits) return;
    for (const number of one.numbers) this.visible.add(number);
    this.committed.push(...one.numbers);
  }

  /** @param dies whether the relay ends before it saves, so that another one reads the same again */
  relay(limit: number, dies: boolean): void {
    const { passed, open } = this.position;
    const isOpen = (number: number): boolean => open.some(({ from, to }) => number >= from && number <= to);
    const all = [...this.visible].filter((number) => number > passed || isOpen(number)).sort((a, b) => a - b);
    const numbers = all.slice(0, limit);
    const endedBefore = Math.min(this.nextXid, ...this.running.map(({ xid }) => xid));
    if (dies) return;
    this.read.push(...numbers);
    const next = advance(this.position, { numbers, isCut: numbers.length >= limit, endedBefore });
    // The transaction that saves has an id of its own.
    const saves = this.nextXid++;
    this.position = {
      passed: next.passed,
      open: next.open.map((range): OpenRange => (range.until === 0 ? { ...range, until: saves } : range)),
    };
  }

  finish(): void {
    while (this.running.length > 0) this.end(0, true);
    for (let rounds = 0; rounds < 1_000 && this.read.length < this.committed.length; rounds += 1)
      this.relay(50, false);
    // What is left open is closed, because no transaction runs: what this finds open at first, it saves, and then closes.
    for (let rounds = 0; rounds < 2; rounds += 1) this.relay(50, false);
  }
}

const STEP = fc.oneof(
  fc.record({ what: fc.constant('begin' as const) }),
  fc.record({ what: fc.constant('add' as const), which: fc.nat(9), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ what: fc.constant('end' as const), which: fc.nat(9), commits: fc.boolean() }),
  fc.record({
    what: fc.constant('relay' as const),
    limit: fc.integer({ min: 1, max: 6 }),
    dies: fc.boolean(),
  }),
);

function run(steps: readonly (typeof STEP extends fc.Arbitrary<infer S> ? S : never)[]): Model {
  const model = new Model();
  for (const step of steps) {
    if (step.what === 'begin') model.begin();
    else if (step.what === 'add') model.add(step.which, step.count);
    else if (step.what === 'end') model.end(step.which, step.commits);
    else model.relay(step.limit, step.dies);
  }
  return model;
}

describe('the position of a relay', () => {
  it('passes by no committed event, and reads none twice, in any order of commits and rollbacks', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 80 }), (steps) => {
        const model = run(steps);
        model.finish();
        expect([...model.read].sort((a, b) => a - b)).toEqual([...model.committed].sort((a, b) => a - b));
        expect(model.position.open).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
  });

  it('keeps its ranges in order, apart, and each in one segment', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 80 }), (steps) => {
        const { position } = run(steps);
        let last = 0;
        for (const { from, to } of position.open) {
          expect(from).toBeGreaterThan(last);
          expect(to).toBeGreaterThanOrEqual(from);
          last = to;
        }
        expect(last).toBeLessThanOrEqual(position.passed);
      }),
      { numRuns: 1_000 },
    );
    const { open } = advance({ passed: 0, open: [] }, { numbers: [300_000], isCut: false, endedBefore: 5 });
    expect(open.map(({ from, to }) => [from, to])).toEqual([
      [1, 131_071],
      [131_072, 262_143],
      [262_144, 299_999],
    ]);
  });

  it('leaves a number open until every transaction that may have it has ended', () => {
    // Transaction 8 committed number 2, and 7 has number 1. The one that saves is 9.
    const seen = advance({ passed: 0, open: [] }, { numbers: [2], isCut: false, endedBefore: 7 });
    const saved = { passed: seen.passed, open: seen.open.map((range) => ({ ...range, until: 9 })) };
    expect(saved.open).toEqual([{ from: 1, to: 1, until: 9 }]);
    expect(advance(saved, { numbers: [], isCut: false, endedBefore: 7 })).toEqual(saved);
    expect(advance(saved, { numbers: [1], isCut: false, endedBefore: 10 })).toEqual({ passed: 2, open: [] });
    expect(advance(saved, { numbers: [], isCut: false, endedBefore: 9 })).toEqual({ passed: 2, open: [] });
  });
});
