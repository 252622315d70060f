/** How many messages of each topic come in a second, from the figures that the page has read lately. */
import type { TopicStats } from '#contracts';

/** Rates are over this time, so that they do not jump. */
const WINDOW_MS = 30_000;
/** A longer pause has no rate that one could show. */
const GAP_MS = 20_000;

interface Sample {
  readonly atMs: number;
  readonly messages: ReadonlyMap<string, number>;
}

/** The samples of one page. */
export class TopicRates {
  private samples: readonly Sample[] = [];

  /** Adds figures. Those of the same moment are added once. */
  add(topics: Readonly<Record<string, TopicStats>>, atMs: number): void {
    const last = this.samples.at(-1);
    if (last !== undefined && atMs <= last.atMs) return;
    const messages = new Map(
      Object.entries(topics).map(([name, topic]) => [
        name,
        topic.unique_processed + topic.duplicate_dropped + topic.dead_letters,
      ]),
    );
    const kept = last === undefined || atMs - last.atMs > GAP_MS ? [] : this.samples;
    this.samples = [...kept.filter((sample) => atMs - sample.atMs <= WINDOW_MS), { atMs, messages }];
  }

  /** Messages a second. `undefined` before there are two samples, or where a gateway knows fewer than before. */
  of(topic: string): number | undefined {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (first === undefined || last === undefined || first === last) return undefined;
    const more = (last.messages.get(topic) ?? 0) - (first.messages.get(topic) ?? 0);
    return more < 0 ? undefined : (more * 1_000) / (last.atMs - first.atMs);
  }
}
