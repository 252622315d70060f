/**
 * One run, from the first message to the last that is settled.
 *
 *   load with faults ─▶ heal ─▶ drain ─▶ (judgement.ts)
 *
 * The load ends when its time is up. Then the remaining faults are healed, and open operations end by their own
 * timeouts. In every case, everything that was opened here is closed, and what was disturbed is healed.
 */
import { untilDrained } from './checker/drain.js';
import { readStreamState, type StreamState } from './checker/stream-reader.js';
import { Gauge } from './gauge.js';
import { HistoryWriter } from './history/history-writer.js';
import type { LossWindow } from './history/loss-window.js';
import type { FaultRecord } from './nemesis/fault.js';
import { Nemesis } from './nemesis/nemesis.js';
import { planFaults } from './nemesis/schedule.js';
import type { ChaosOptions } from './options.js';
import { AcknowledgementGaps } from './report/acknowledgement-gaps.js';
import type { Phase, Progress } from './report/progress.js';
import type { ReportFolder } from './report/report-folder.js';
import { Sampler } from './report/sampler.js';
import type { Sample } from './report/timeline.js';
import type { SystemUnderTest } from './system-under-test.js';
import { Generator } from './workload/generator.js';
import { closeLanes, openLanes } from './workload/lanes.js';
import { Random } from './workload/random.js';
import { Workload } from './workload/workload.js';

const DRAIN_MS_MAX = 180_000;
const PROGRESS_EVERY_MS = 250;
/** The last fault is healed this long before the load ends, so that what it refused can be sent again. */
const CALM_MS = 5_000;

/** What a trial needs. */
export interface TrialOptions {
  readonly system: SystemUnderTest;
  readonly options: ChaosOptions;
  readonly folder: ReportFolder;
  /** Topics of the run begin with this. */
  readonly topicPrefix: string;
  readonly progress: Progress;
  /** Ends the load and everything after it. */
  readonly signal: AbortSignal;
}

/** The result of a trial. */
export interface TrialResult {
  /** The stream before the first message. */
  readonly before: StreamState;
  readonly historyFile: string;
  readonly faults: readonly FaultRecord[];
  readonly samples: readonly Sample[];
  readonly acknowledgements: AcknowledgementGaps;
  /** The acknowledgements of each gateway alone, by its URL. */
  readonly byGateway: ReadonlyMap<string, AcknowledgementGaps>;
  readonly loadEndedAtMs: number;
  readonly drained: boolean;
  /** The spans in which acknowledgements may be lost, because the brokers were put back. */
  readonly lossWindows: readonly LossWindow[];
  /** Faults that were not healed, although it was tried again at the end. */
  readonly notHealed: readonly string[];
}

/** Carries it out. Throws when it was aborted, or when the history could not be written. */
export async function runTrial(trial: TrialOptions): Promise<TrialResult> {
  const { system, folder, signal } = trial;
  const { target } = system;
  const before = await readStreamState(target.brokers, target.stream);
  const historyFile = folder.file('history.jsonl');
  const history = await HistoryWriter.create(historyFile);
  const gauge = new Gauge({
    brokers: target.brokers,
    postgresUrl: target.postgresUrl,
    stream: target.stream,
    consumer: target.consumers[0] ?? 'store',
  });
  const settledBefore = await gauge.settled();
  const load = new Load(trial, history);
  const sampler = new Sampler({
    sources: {
      sent: () => load.workload?.sent ?? 0,
      acknowledged: () => load.workload?.acknowledged ?? 0,
      settled: async () => (await gauge.settled()) - settledBefore,
      lag: () => gauge.lag(),
    },
    nowMs: load.clock,
    record: (sample) => folder.appendSample(sample),
  });
  const shown = setInterval(() => load.show(sampler.samples.at(-1)), PROGRESS_EVERY_MS);
  try {
    sampler.start();
    const faults = await load.run();
    const loadEndedAtMs = load.endedAtMs;
    load.enter('drain', DRAIN_MS_MAX);
    const { drained, seen } = await untilDrained(target, { timeoutMs: signal.aborted ? 0 : DRAIN_MS_MAX });
    signal.throwIfAborted();
    if (!drained) trial.progress.note(`Not drained: ${seen}`);
    const samples = await sampler.stop();
    const { acknowledgements, byGateway, lossWindows, notHealed } = load;
    const observed = { faults, samples, acknowledgements, byGateway, loadEndedAtMs };
    return { before, historyFile, ...observed, drained, lossWindows, notHealed };
  } finally {
    clearInterval(shown);
    await sampler.stop().catch(() => undefined);
    await gauge.close().catch(() => undefined);
    await history.close();
  }
}

/** The load and its faults. */
class Load {
  readonly acknowledgements = new AcknowledgementGaps();
  readonly byGateway = new Map<string, AcknowledgementGaps>();
  notHealed: readonly string[] = [];
  workload: Workload | undefined;
  endedAtMs = 0;
  private nemesis: Nemesis | undefined;
  private startedAt = performance.now();
  private phase: { readonly name: Phase; readonly atMs: number; readonly totalMs?: number };

  constructor(
    private readonly trial: TrialOptions,
    private readonly history: HistoryWriter,
  ) {
    this.phase = { name: 'load', atMs: 0, totalMs: this.durationMs };
    for (const url of trial.system.gatewayUrls) this.byGateway.set(url, new AcknowledgementGaps());
  }

  get lossWindows(): readonly LossWindow[] {
    return this.nemesis?.lossWindows ?? [];
  }

  /** Milliseconds since the load began. */
  readonly clock = (): number => performance.now() - this.startedAt;

  enter(name: Phase, totalMs?: number): void {
    this.phase = { name, atMs: this.clock(), ...(totalMs !== undefined && { totalMs }) };
  }

  show(sample: Sample | undefined): void {
    const { name, atMs, totalMs } = this.phase;
    this.trial.progress.update({
      phase: name,
      elapsedMs: this.clock() - atMs,
      ...(totalMs !== undefined && { totalMs }),
      sent: this.workload?.sent ?? 0,
      acknowledged: this.workload?.acknowledged ?? 0,
      settled: sample?.settled ?? null,
      lag: sample?.lag ?? null,
      activeFaults: this.nemesis?.active ?? [],
    });
  }

  /** Resolves when the last operation has ended and the last fault is healed. */
  async run(): Promise<readonly FaultRecord[]> {
    const { system, options, signal } = this.trial;
    const random = new Random(options.seed);
    const doors = {
      gateways: system.gatewayUrls,
      apiKey: system.apiKey,
      nats: system.natsUrls,
      subjectPrefix: system.subjectPrefix,
    };
    const lanes = await openLanes(doors, Date.now(), random.fork());
    const failed = new AbortController();
    try {
      this.workload = this.makeWorkload(lanes, random);
      this.startedAt = performance.now();
      const over = this.overAfter(this.durationMs, AbortSignal.any([signal, failed.signal]));
      const producing = this.workload.run({ signal: over }).catch((error: unknown) => {
        // Without a history there is nothing to judge, so the faults need not go on.
        failed.abort(error);
        throw error;
      });
      over.addEventListener('abort', () => {
        this.endedAtMs = this.clock();
        this.enter('heal');
      });
      const [, faults] = await Promise.all([
        producing,
        this.breakThings(AbortSignal.any([signal, failed.signal])),
      ]);
      return faults;
    } finally {
      await this.heal();
      await closeLanes(lanes);
    }
  }

  /**
   * `AbortSignal.timeout` would not work here: Node 20 forgets a signal that only another signal refers to, so the load
   * would never end.
   */
  private overAfter(durationMs: number, early: AbortSignal): AbortSignal {
    const over = new AbortController();
    const timer = setTimeout(() => {
      over.abort();
    }, durationMs);
    early.addEventListener('abort', () => {
      clearTimeout(timer);
      over.abort();
    });
    return over.signal;
  }

  private get durationMs(): number {
    return this.trial.options.minutes * 60_000;
  }

  private makeWorkload(lanes: Awaited<ReturnType<typeof openLanes>>, random: Random): Workload {
    const { system, options, topicPrefix } = this.trial;
    const { duplicateWindowMs } = system;
    const shares = { topics: options.topics, repeatShare: options.duplicates };
    return new Workload(
      {
        lanes,
        generator: new Generator(random.fork(), { ...shares, topicPrefix, duplicateWindowMs }),
        history: this.history,
        random: random.fork(),
        clock: this.clock,
      },
      {
        ratePerSecond: options.rate,
        onAcknowledged: (atMs, gateway) => {
          this.acknowledgements.acknowledged(atMs);
          if (gateway !== undefined) this.byGateway.get(gateway)?.acknowledged(atMs);
        },
      },
    );
  }

  private async breakThings(signal: AbortSignal): Promise<readonly FaultRecord[]> {
    const { system, options, folder, progress } = this.trial;
    const faults = options.faults.filter((fault) => fault.applies(system.target));
    for (const fault of options.faults)
      if (!faults.includes(fault)) progress.note(`${fault.name} does not apply to this system.`);
    this.nemesis = new Nemesis({
      target: system.target,
      faults,
      folder: folder.path,
      clock: this.clock,
      onEvent: (event) => {
        if (event.type === 'started') progress.faultStarted(event);
        else progress.faultEnded(event);
      },
    });
    const durationMs = this.durationMs - CALM_MS;
    return this.nemesis.run(planFaults({ seed: options.seed, faults, durationMs }), signal);
  }

  private async heal(): Promise<void> {
    this.notHealed = (await this.nemesis?.healAll()) ?? [];
    for (const problem of this.notHealed) this.trial.progress.note(`Not healed: ${problem}`);
  }
}
