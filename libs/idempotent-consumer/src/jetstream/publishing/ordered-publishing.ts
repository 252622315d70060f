/**
 * Publishes messages so that those of one subject are in the stream in the order given.
 *
 *   run of messages ─▶ one atomic batch ─taken──▶ the next run
 *                           └─not taken─▶ each subject by itself, one message at a time ─▶ the next run
 *
 * An atomic batch keeps its order, because the brokers take it as a whole. Messages that are sent one by one would lose it
 * when one of them fails and the next does not. So the next message of a subject is sent only after the answer to the one
 * before. That takes a round of the brokers for each, which is the price of a stream that does not allow batches, and of
 * a batch with a repeat.
 */
import type { AtomicBatches } from './atomic-batches.js';
import type { PublishJob, PublishOutcome, PublishRequest } from './publish-job.js';
import type { PublishTries } from './publish-tries.js';

/** One call. */
export class OrderedPublishing<R extends PublishRequest> {
  private readonly outcomes = new Map<PublishJob<R>, PublishOutcome>();
  /** Subjects whose messages are not sent any more. */
  private readonly stopped = new Set<string>();

  constructor(
    private readonly tries: PublishTries<R>,
    private readonly batches: AtomicBatches<R> | undefined,
  ) {}

  /** @returns the outcomes in the order of the jobs, `behind` for those not sent; never rejects */
  async publish(jobs: readonly PublishJob<R>[]): Promise<(PublishOutcome | 'behind')[]> {
    for (let from = 0; from < jobs.length;) {
      const run = this.runFrom(jobs, from);
      from += run.length;
      await this.publishRun(run.filter(({ request }) => !this.stopped.has(request.subject)));
    }
    return jobs.map((job) => this.outcomes.get(job) ?? 'behind');
  }

  /** The next messages that may share a batch, or one that may not. */
  private runFrom(jobs: readonly PublishJob<R>[], from: number): PublishJob<R>[] {
    const { batches } = this;
    const run = jobs.slice(from, from + 1);
    if (batches === undefined || !run.every((job) => batches.isEligible(job))) return run;
    let bytes = run[0]?.request.body.length ?? 0;
    for (const job of jobs.slice(from + 1, from + batches.sizeMax)) {
      bytes += job.request.body.length;
      if (bytes > batches.bytesMax || !batches.isEligible(job)) break;
      run.push(job);
    }
    return run;
  }

  private async publishRun(run: readonly PublishJob<R>[]): Promise<void> {
    const isRefused = run.length < 2 || (await this.publishBatch(run));
    if (isRefused === 'taken') return;
    const bySubject = new Map<string, PublishJob<R>[]>();
    for (const job of run) {
      const jobs = bySubject.get(job.request.subject);
      if (jobs === undefined) bySubject.set(job.request.subject, [job]);
      else jobs.push(job);
    }
    await Promise.all([...bySubject.values()].map((jobs) => this.publishOneByOne(jobs, isRefused)));
  }

  /** @returns `taken`, or whether nothing of it can have been stored */
  private async publishBatch(run: readonly PublishJob<R>[]): Promise<'taken' | boolean> {
    const { batches } = this;
    if (batches === undefined || batches.isPaused) return true;
    return new Promise((resolve) => {
      batches.send(run, (outcomes, isRefused) => {
        for (const [index, job] of run.entries()) {
          const outcome = outcomes?.[index];
          if (outcome !== undefined) this.outcomes.set(job, outcome);
        }
        resolve(outcomes === undefined ? isRefused : 'taken');
      });
    });
  }

  private async publishOneByOne(jobs: readonly PublishJob<R>[], isFirst: boolean): Promise<void> {
    for (const job of jobs) {
      const outcome = await new Promise<PublishOutcome>((resolve) => {
        this.tries.begin(job, isFirst, resolve);
      });
      this.outcomes.set(job, outcome);
      if (outcome.status !== 'unavailable') continue;
      this.stopped.add(job.request.subject);
      return;
    }
  }
}
