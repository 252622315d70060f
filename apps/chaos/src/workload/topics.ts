import type { Random } from './random.js';

/** A topic and its number, from 0. */
export interface Topic {
  readonly name: string;
  readonly number: number;
}

/** Picks the topics of a run, some busy and most quiet: the n-th in proportion to 1/n, by Zipf's law. */
export class Topics {
  readonly all: readonly Topic[];
  /** Sums of the weights up to each topic. */
  private readonly sums: readonly number[];

  /**
   * @param prefix first tokens of every name: `chaos.r1` gives `chaos.r1.t00`, `chaos.r1.t01` and so on
   * @param count the number of topics, at least 1
   */
  constructor(prefix: string, count: number) {
    this.all = Array.from({ length: count }, (_, number) => ({
      name: `${prefix}.t${String(number).padStart(2, '0')}`,
      number,
    }));
    let sum = 0;
    this.sums = this.all.map(({ number }) => (sum += 1 / (number + 1)));
  }

  /** One of them; the first most often. */
  pick(random: Random): Topic {
    const point = random.next() * (this.sums.at(-1) ?? 0);
    const index = this.sums.findIndex((sum) => point < sum);
    return this.all[Math.max(0, index)] as Topic;
  }
}
