/** Workers and gateways, as they say themselves what they do. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { ProgramView, SystemView } from '#contracts';
import type { Reading } from '../reading.js';
import { lastKnownNote, tableClass } from '../view.js';
import { count, rate, second, span, UNKNOWN } from '../wording.js';

/** A program writes its row every ten seconds. */
const SILENT_SECONDS = 30;

const MEANINGS: Readonly<Record<string, string>> = {
  idle: 'idle',
  working: 'working',
  waiting: 'waits for Postgres',
  disconnected: 'not connected',
  stuck: 'stuck: restart it',
  connected: 'connected',
  unanswered: 'brokers do not answer',
};
const WELL = ['idle', 'working', 'connected'];

interface Kind {
  readonly id: 'workers' | 'gateways';
  readonly title: string;
  /** What it holds, and what it has done. */
  readonly held: string;
  readonly done: string;
  /** What it means that there is none. */
  readonly none: string;
}

const WORKERS: Kind = {
  ...{ id: 'workers', title: 'Workers', held: 'holds', done: 'decided' },
  none: 'No worker has said that it runs. Without one, events are safe in the stream, and nothing is stored.',
};
const GATEWAYS: Kind = {
  ...{ id: 'gateways', title: 'Gateways', held: 'publishes', done: 'acknowledged' },
  none: 'No gateway has said yet that it runs.',
};

/** The panels of both. */
export function programPanels(system: Reading<SystemView>): TemplateResult {
  return html`${panel(system, WORKERS)} ${panel(system, GATEWAYS)}`;
}

function panel(system: Reading<SystemView>, kind: Kind): TemplateResult {
  const programs = system.value?.[kind.id];
  return html`<section aria-labelledby="${kind.id}-title">
    <h2 id="${kind.id}-title">${kind.title}</h2>
    ${
      programs === undefined
        ? nothing
        : programs === null
          ? html`<p class="note failed">
              Which ${kind.id} run is not known, because Postgres does not answer.
            </p>`
          : programs.length === 0
            ? html`<p class="empty">${kind.none}</p>`
            : html`${lastKnownNote(system)} ${table(system, programs, kind)}`
    }
    ${system.value?.more_programs === true ? html`<p class="about">There are more than are listed.</p>` : nothing}
  </section>`;
}

function table(system: Reading<SystemView>, programs: readonly ProgramView[], kind: Kind): TemplateResult {
  return html`<div class="wide" tabindex="0" role="region" aria-label="Table of ${kind.id}">
    <table class=${tableClass(system)}>
      <thead>
        <tr>
          <th scope="col">host, process</th>
          <th scope="col">state</th>
          <th scope="col" class="number">${kind.held}</th>
          <th scope="col" class="number">${kind.done}</th>
          <th scope="col" class="number">lately</th>
          <th scope="col">broker</th>
          <th scope="col">since</th>
        </tr>
      </thead>
      <tbody>
        ${programs.map(row)}
      </tbody>
    </table>
  </div>`;
}

function row(program: ProgramView): TemplateResult {
  const isSilent = program.seen_seconds > SILENT_SECONDS;
  const state = isSilent
    ? `silent for ${span(program.seen_seconds)}`
    : (MEANINGS[program.state] ?? program.state);
  const isWell = !isSilent && WELL.includes(program.state);
  return html`<tr>
    <th scope="row">${program.host} ${program.process}</th>
    <td class=${isWell ? 'well' : 'failed-text'}>${state}</td>
    <td class="number">${isSilent ? UNKNOWN : count(program.held)}</td>
    <td class="number">${count(program.messages)}</td>
    <td class="number">${isSilent ? UNKNOWN : rate(program.per_second)}</td>
    <td>${isSilent ? UNKNOWN : (program.broker ?? UNKNOWN)}</td>
    <td class="time">${second(program.started_at)}</td>
  </tr>`;
}
