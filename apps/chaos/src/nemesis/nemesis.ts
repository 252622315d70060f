/**
 * Carries a plan of faults out, and writes down what happened.
 *
 *   planned ─time, parts free─▶ starting ─▶ holding ─▶ healing ─▶ healed
 *                                  └─ cannot be applied ─▶ recorded with its problem
 *
 * Promise: when `run` has resolved, every fault that took hold was healed, or its healing is recorded as a problem;
 * nothing waits longer than the bounds below. An abort ends all holding at once. A fault whose healing failed is healed
 * again before another one touches the same part, and once more by `healAll`.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError, within } from '../system/deadline.js';
import type { LossWindow } from '../history/loss-window.js';
import type { LinkName, Target } from '../system/target.js';
import { Random } from '../workload/random.js';
import type { ActiveFault, Fault, FaultRecord } from './fault.js';
import { isDisjoint, type PlannedFault } from './schedule.js';

const START_MS_MAX = 60_000;
const HEAL_MS_MAX = 60_000;
const LINKS: readonly LinkName[] = ['worker-postgres', 'worker-broker', 'gateway-broker', 'gateway-postgres'];

/** What is told while it happens, and written to `faults.jsonl`, a line each. */
export type NemesisEvent =
  | ({ readonly type: 'started' } & Pick<FaultRecord, 'name' | 'detail' | 'startedAtMs' | 'heldAtMs'>)
  | ({ readonly type: 'healed' } & FaultRecord);

/** What a nemesis is made from. */
export interface NemesisOptions {
  readonly target: Target;
  /** Those that the plan names. */
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

/** Breaks things on purpose. */
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

  /** When what was acknowledged may be lost, by faults that took hold in time or too late. */
  get lossWindows(): readonly LossWindow[] {
    return this.windows;
  }

  /** Names of the faults that hold now, or are being started or healed. */
  get active(): readonly string[] {
    return [...this.running].map(({ fault }) => fault.name);
  }

  /** Carries the plan out; resolves when the last fault is healed. Never throws: what goes wrong is in the records. */
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

  /** Leaves nothing disturbed, as far as it can: wakes processes, heals links, repeats what failed. Says what it could not. */
  async healAll(): Promise<readonly string[]> {
    const { target } = this.options;
    for (const process of target.processes) process.kill('SIGCONT');
    for (const name of LINKS) target.link(name)?.heal();
    target.routes?.heal();
    return this.healAgain([...this.unhealed.keys()]);
  }

  private async carryOut(fault: Fault, planned: PlannedFault, signal: AbortSignal): Promise<void> {
    await this.healAgain(this.unhealedBeside(fault));
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
    this.tell({ type: 'started', name: fault.name, detail, startedAtMs, heldAtMs });
    await rest(planned.holdMs, signal);
    const healingAtMs = clock();
    const problem = await this.heal(active, fault);
    const times = { startedAtMs, heldAtMs, healingAtMs, healedAtMs: clock() };
    this.finish({ name: fault.name, detail, ...times, ...facts, ...(problem !== undefined && { problem }) });
  }

  private async start(fault: Fault, seed: number): Promise<ActiveFault> {
    const { target } = this.options;
    if (!fault.applies(target)) throw new Error('the system has not what this fault needs');
    const starting = Promise.resolve().then(() => fault.start(target, new Random(seed)));
    try {
      return await within(starting, this.options.startMsMax ?? START_MS_MAX, `${fault.name} to take hold`);
    } catch (error) {
      // One that takes hold after its time is healed at once; one that has failed is done already.
      starting
        .then((late) => {
          this.windowOf(late);
          return this.heal(late, fault);
        })
        .catch(() => undefined);
      throw error;
    }
  }

  /** On the clock of the load, whole milliseconds outwards, since the history has whole ones. Notes it. */
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

  /** Says what went wrong; undefined when nothing did. */
  private async heal(active: ActiveFault, fault: Fault): Promise<string | undefined> {
    try {
      const healing = Promise.resolve().then(() => active.heal());
      const boundMs = this.options.healMsMax ?? fault.healMsMax ?? HEAL_MS_MAX;
      await within(healing, boundMs, `${fault.name} to be healed`);
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

  private unhealedBeside(fault: Fault): ActiveFault[] {
    return [...this.unhealed].filter(([, other]) => !isDisjoint(fault, other)).map(([active]) => active);
  }

  /** Resolves when nothing that runs touches what the fault touches. */
  private async untilFree(fault: Fault, signal: AbortSignal): Promise<void> {
    for (;;) {
      const inTheWay = [...this.running].filter((one) => !isDisjoint(fault, one.fault));
      if (inTheWay.length === 0 || signal.aborted) return;
      await Promise.all(inTheWay.map(({ end }) => end));
    }
  }

  private finish(record: FaultRecord): void {
    this.done.push(record);
    this.tell({ type: 'healed', ...record });
  }

  private tell(event: NemesisEvent): void {
    appendFileSync(join(this.options.folder, 'faults.jsonl'), `${JSON.stringify(event)}\n`);
    this.options.onEvent?.(event);
  }
}

/** Waits; less when the signal ends it. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => undefined);
}
