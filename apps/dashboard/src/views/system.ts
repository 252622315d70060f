/** The view System: each part of it, what it holds and what it does, as the gateway sees it. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { StatsView, SystemView as SystemAnswer } from '#contracts';
import { Reading } from '../reading.js';
import type { Failure } from '../gateway-client.js';
import { PART_NAMES, type Health } from '../shell.js';
import { failureNote, figureOf, sourceLine, type Host, type View } from '../view.js';
import { count, span, UNKNOWN } from '../wording.js';
import { auditPanel } from './system-audit.js';
import { brokersPanel } from './system-brokers.js';
import { programPanels } from './system-programs.js';
import { storePanels } from './system-store.js';

const SYSTEM_MS = 5_000;

const ABOUT: Readonly<Record<string, string>> = {
  broker: 'whether this gateway can publish',
  brokers: 'those that hold the stream',
  stream: 'its leader, its settings, its history',
  consumer: 'whether what arrives is settled',
  database: 'whether it answers',
  schema: 'whether every migration was applied',
};
const STATES = { ok: 'well', degraded: 'degraded', failed: 'failed' } as const;

/** The parts of the system. */
export class SystemView implements View {
  readonly title = 'System';

  private readonly system: Reading<SystemAnswer>;

  constructor(
    private readonly health: Reading<Health>,
    private readonly stats: Reading<StatsView>,
    host: Host,
  ) {
    const onChange = (): void => host.redraw();
    this.system = new Reading({ path: () => '/system', intervalMs: SYSTEM_MS, onChange });
  }

  get failure(): Failure | undefined {
    return this.system.failure;
  }

  open(): void {
    this.stats.start();
    this.system.start();
  }

  close(): void {
    this.stats.stop();
    this.system.stop();
  }

  template(): TemplateResult {
    const { system } = this;
    const panels = html`${auditPanel(system)} ${brokersPanel(system)} ${programPanels(system)}
    ${storePanels(system, this.stats)}`;
    return html`${this.parts()} ${this.backlog()} ${failureNote(system.failure)}
    ${system.value === undefined ? nothing : panels} ${sourceLine(system)}`;
  }

  private parts(): TemplateResult {
    const { health } = this;
    const parts = Object.entries(health.value?.components ?? {});
    return html`<section aria-labelledby="parts-title">
      <h2 id="parts-title">Parts</h2>
      ${failureNote(health.failure)}
      <ul class="parts">
        ${parts.map(([name, { status, detail }]) => {
          const shown = health.isCurrent ? status : 'unknown';
          return html`<li class=${shown}>
            <span class="state">${health.isCurrent ? STATES[status] : UNKNOWN}</span>
            <span
              ><b>${PART_NAMES[name] ?? name}</b><span class="about">${ABOUT[name] ?? ''}</span>${
                detail === undefined || !health.isCurrent
                  ? nothing
                  : html`<span class="detail">${detail}</span>`
              }</span
            >
          </li>`;
        })}
      </ul>
      ${sourceLine(health)}
    </section>`;
  }

  private backlog(): TemplateResult {
    const { stats, health } = this;
    return html`<section aria-labelledby="work-title">
      <h2 id="work-title">Work</h2>
      ${failureNote(stats.failure)}
      <dl class="figures">
        <div>
          <dt>in flight</dt>
          <dd>${figureOf(stats, (value) => count(value.in_flight))}</dd>
          <dd class="about">messages that no worker has settled</dd>
        </div>
        <div>
          <dt>lag</dt>
          <dd>${figureOf(stats, (value) => span(value.lag_seconds))}</dd>
          <dd class="about">age of the oldest of them</dd>
        </div>
        <div>
          <dt>until it leaves the stream</dt>
          <dd>
            ${figureOf(stats, (value) => (value.expires_in_seconds === null ? 'no deadline' : span(value.expires_in_seconds)))}
          </dd>
          <dd class="about">of the oldest of them, by age</dd>
        </div>
        <div>
          <dt>this gateway runs for</dt>
          <dd>${figureOf(health, (value) => span(value.uptime_seconds))}</dd>
        </div>
      </dl>
      ${sourceLine(stats)}
    </section>`;
  }
}
