import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError, withTimeout } from '../system/deadline.js';
import type { LossWindow } from '../history/loss-window.js';
import type { LinkName, Target } from '../system/target.js';
import { Random } from '../workload/random.js';
import type { ActiveFault, Fault, FaultRecord } from './fault.js';
import { isDisjoint, type PlannedFault } from './schedule.js';

const START_MS_MAX = 60_000;
const HEAL_MS_MAX = 60_000;
const LINKS: readonly LinkName[] = ['worker-postgres', 'worker-broker', 'gateway-broker', 'gateway-postgres'];

/** What is reported while it happens, and written to `faults.jsonl`, one line each. */
export type NemesisEvent =
  | ({ readonly type: 'started' } & Pick<FaultRecord, 'name' | 'detail' | 'startedAtMs' | 'heldAtMs'>)
  | ({ readonly type: 'healed' } & FaultRecord);

/** What a nemesis needs. */
export interface NemesisOptions {
  readonly target: Target;
  /** The faults that the plan names. */
  readonly faults: readonly Fault[];
  /** `faults.jsonl` is written here. */
  readonly folder: string;
  /** Milliseconds since the load began. */
  readonly clock: () => number;
  readonly onEvent?: (event: NemesisEvent) => void;
  /** Bound of one healing. Default: what the fault says, or 60 s. */
  readonly healMsMax?: number;
  /** Bound of one start. Default 60 s. */
  readonly startMsMax?: number;
}

interface Running {
  readonly fault: Fault;
  readonly end: Promise<void>;
}

/**
 * Breaks things on purpose: carries out a plan of faults, and records what happened.
 *
 *   planned ─time, parts free─▶ starting ─▶ holding ─▶ healing ─▶ healed
 *                                  └─ cannot be applied ─▶ recorded with its problem
 *
 * When `run` has resolved, every fault that took hold was healed, or its healing is recorded as a problem. Nothing
 * waits longer than the bounds above. An abort ends all holding at once. A fault whose healing failed is healed again
 * before another one touches the same part, and once more by `healAll`.
 */
export class Nemesis {
  private readonly done: FaultRecord[] = [];
  private readonly running = new Set<Running>();
  private readonly unhealed = new Map<ActiveFault, Fault>();
  private readonly windows: LossWindow[] = [];

  constructor(private readonly options: NemesisOptions) {
    mkdirSync(options.folder, { recursive: true });
  }

  /** What has happened, in the order of ends. */
  get records(): readonly FaultRecord[] {
    return this.done;
  }

  /** The spans in which acknowledgements may be lost, by faults that took hold in time or too late. */
  get lossWindows(): readonly LossWindow[] {
    return this.windows;
  }

  /** Names of the faults that hold now, or are being started or healed. */
  get active(): readonly string[] {
    return [...this.running].map(({ fault }) => fault.name);
  }

  /**
   * Carries the plan out. Resolves when the last fault is healed. Never throws, because the records have the problems.
   */
  async run(plan: readonly PlannedFault[], signal: AbortSignal): Promise<readonly FaultRecord[]> {
    for (const planned of plan) {
      const fault = this.options.faults.find(({ name }) => name === planned.name);
      if (fault === undefined) continue;
      await rest(planned.startAtMs - this.options.clock(), signal);
      await this.untilFree(fault, signal);
      if (signal.aborted) break;
      const running: Running = {
        fault,
        end: this.carryOut(fault, planned, signal).finally(() => this.running.delete(running)),
      };
      this.running.add(running);
    }
    await Promise.all([...this.running].map(({ end }) => end));
    return this.done;
  }

  /**
   * Leaves nothing disturbed, if possible: wakes processes, heals links, repeats failed healings. @returns what
   * remained
   */
  async healAll(): Promise<readonly string[]> {
    const { target } = this.options;
    for (const process of target.processes) process.kill('SIGCONT');
    for (const name of LINKS) target.link(name)?.heal();
    target.routes?.heal();
    return this.healAgain([...this.unhealed.keys()]);
  }

  private async carryOut(fault: Fault, planned: PlannedFault, signal: AbortSignal): Promise<void> {
    await this.healAgain(this.unhealedTouching(fault));
    const clock = (): number => Math.round(this.options.clock());
    const startedAtMs = clock();
    let active: ActiveFault;
    try {
      active = await this.start(fault, planned.seed);
    } catch (error) {
      const now = clock();
      const times = { startedAtMs, heldAtMs: now, healingAtMs: now, healedAtMs: now };
      this.finish({ name: fault.name, detail: '', ...times, problem: describeError(error) });
      return;
    }
    const { detail } = active;
    const exposed = this.windowOf(active);
    const facts = { ...(exposed && { exposed }), ...(fault.goesOn === true && { goesOn: true }) };
    const heldAtMs = clock();
    this.report({ type: 'started', name: fault.name, detail, startedAtMs, heldAtMs });
    await rest(planned.holdMs, signal);
    const healingAtMs = clock();
    const problem = await this.heal(active, fault);
    const times = { startedAtMs, heldAtMs, healingAtMs, healedAtMs: clock() };
    this.finish({ name: fault.name, detail, ...times, ...facts, ...(problem !== undefined && { problem }) });
  }

  private async start(fault: Fault, seed: number): Promise<ActiveFault> {
    const { target } = this.options;
    if (!fault.applies(target)) throw new Error('the system does not have what this fault needs');
    const starting = Promise.resolve().then(() => fault.start(target, new Random(seed)));
    try {
      return await withTimeout(
        starting,
        this.options.startMsMax ?? START_MS_MAX,
        `${fault.name} to take hold`,
      );
    } catch (error) {
      // A fault that takes hold after its time is healed at once. One that has failed is already done.
      starting
        .then((late) => {
          this.windowOf(late);
          return this.heal(late, fault);
        })
        .catch(() => undefined);
      throw error;
    }
  }

  /** Notes the window on the clock of the load. It is widened to whole milliseconds, as in the history. */
  private windowOf({ exposed }: ActiveFault): LossWindow | undefined {
    if (exposed === undefined) return undefined;
    const began = performance.now() - this.options.clock();
    const window = {
      fromMs: Math.floor(exposed.fromAt - began),
      untilMs: Math.ceil(exposed.untilAt - began),
    };
    this.windows.push(window);
    return window;
  }

  /** @returns what went wrong; undefined when nothing did */
  private async heal(active: ActiveFault, fault: Fault): Promise<string | undefined> {
    try {
      const healing = Promise.resolve().then(() => active.heal());
      const boundMs = this.options.healMsMax ?? fault.healMsMax ?? HEAL_MS_MAX;
      await withTimeout(healing, boundMs, `${fault.name} to be healed`);
      this.unhealed.delete(active);
      return undefined;
    } catch (error) {
      this.unhealed.set(active, fault);
      return describeError(error);
    }
  }

  private async healAgain(all: readonly ActiveFault[]): Promise<readonly string[]> {
    const problems: string[] = [];
    for (const active of all) {
      const fault = this.unhealed.get(active);
      const problem = fault && (await this.heal(active, fault));
      if (problem !== undefined) problems.push(`${fault?.name}: ${problem}`);
    }
    return problems;
  }

  private unhealedTouching(fault: Fault): ActiveFault[] {
    return [...this.unhealed].filter(([, other]) => !isDisjoint(fault, other)).map(([active]) => active);
  }

  /** Resolves when no running fault touches what this fault touches. */
  private async untilFree(fault: Fault, signal: AbortSignal): Promise<void> {
    for (;;) {
      const inTheWay = [...this.running].filter((one) => !isDisjoint(fault, one.fault));
      if (inTheWay.length === 0 || signal.aborted) return;
      await Promise.all(inTheWay.map(({ end }) => end));
    }
  }

  private finish(record: FaultRecord): void {
    this.done.push(record);
    this.report({ type: 'healed', ...record });
  }

  private report(event: NemesisEvent): void {
    appendFileSync(join(this.options.folder, 'faults.jsonl'), `${JSON.stringify(event)}\n`);
    this.options.onEvent?.(event);
  }
}

/** Waits; a signal ends the wait early. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => undefined);
}
