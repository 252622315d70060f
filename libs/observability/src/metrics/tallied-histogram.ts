/**
 * A histogram whose observations cost a few comparisons, for values of every event.
 *
 * Designs: `Histogram` of prom-client builds objects and a key for each observation, which costs a worker 1 % of its
 * time. One observation a batch would be as cheap as this, but says nothing about most events. So this class counts in
 * an array, and the registry reads it when it is scraped.
 */
import type { Metric, Registry } from 'prom-client';

/** The name, the help and the buckets of a histogram. */
export interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  /** Upper bounds in ascending order, in the unit of the name. */
  readonly buckets: readonly number[];
}

/** A line of the text format. */
interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** The observations under one set of labels. */
export class Tally {
  /** The count of each bucket alone; the last one is beyond all bounds. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(
    private readonly bounds: readonly number[],
    readonly labels: Readonly<Record<string, string>>,
  ) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Adds an observation. */
  observe(value: number): void {
    const { bounds, counts } = this;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at += 1;
    counts[at] = (counts[at] as number) + 1;
    this.sum += value;
  }
}

/** A histogram of a registry. */
export class TalliedHistogram {
  readonly name: string;
  private readonly tallies: Tally[] = [];

  constructor(
    registry: Registry,
    private readonly options: HistogramOptions,
  ) {
    this.name = options.name;
    // The registry uses `name`, `get` and `reset` of a metric, and nothing else.
    registry.registerMetric(this as unknown as Metric);
  }

  /** Creates the tally of a set of labels. The caller keeps it, and asks once for each set. */
  with(labels: Readonly<Record<string, string>> = {}): Tally {
    const tally = new Tally(this.options.buckets, labels);
    this.tallies.push(tally);
    return tally;
  }

  /** Returns the values, for the registry. */
  get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Sample[] }> {
    const { name, help } = this.options;
    const values = this.tallies.flatMap((tally) => this.valuesOf(tally));
    return Promise.resolve({ name, help, type: 'histogram', aggregator: 'sum', values });
  }

  /** Forgets all observations, for the registry. */
  reset(): void {
    for (const tally of this.tallies) {
      tally.counts.fill(0);
      tally.sum = 0;
    }
  }

  private valuesOf({ counts, sum, labels }: Tally): Sample[] {
    const { name, buckets } = this.options;
    let count = 0;
    const values = [...counts].map((one, at) => {
      count += one;
      const le = buckets[at] ?? '+Inf';
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
    });
    return [
      ...values,
      { metricName: `${name}_sum`, labels: { ...labels }, value: sum },
      { metricName: `${name}_count`, labels: { ...labels }, value: count },
    ];
  }
}
