/** Postgres, and how long what is stored stays there. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { DatabaseView, RetentionView, StatsView, SystemView } from '#contracts';
import type { Reading } from '../reading.js';
import { figureOf } from '../view.js';
import { bytes, count, counted, second, UNKNOWN } from '../wording.js';

/** The panels of both. */
export function storePanels(system: Reading<SystemView>, stats: Reading<StatsView>): TemplateResult {
  const { database, retention } = system.value ?? {};
  return html`<section aria-labelledby="postgres-title">
      <h2 id="postgres-title">Postgres</h2>
      ${
        database === undefined
          ? nothing
          : database === null
            ? html`<p class="note failed">Postgres does not answer.</p>`
            : figures(system, database)
      }
    </section>
    <section aria-labelledby="retention-title">
      <h2 id="retention-title">Retention</h2>
      ${retention === undefined || retention === null ? html`<p>${UNKNOWN}</p>` : rules(system, retention, stats.value?.ids_kept_days)}
    </section>`;
}

function figures(system: Reading<SystemView>, database: DatabaseView): TemplateResult {
  const of = (read: (database: DatabaseView) => string): TemplateResult =>
    figureOf(system, (value) => (value.database === null ? UNKNOWN : read(value.database)));
  const { oldest_day: oldest, prepared_until: until, standbys } = database;
  return html`<dl class="figures">
    <div>
      <dt>on its disk</dt>
      <dd>${of((now) => bytes(now.bytes))}</dd>
      <dd class="about">events, keys, and all else of this database</dd>
    </div>
    <div>
      <dt>connections</dt>
      <dd>${of((now) => count(now.connections))}</dd>
      <dd class="about">the server takes ${count(database.connections_max)}</dd>
    </div>
    <div>
      <dt>days of events</dt>
      <dd>${of((now) => count(now.days))}</dd>
      <dd class="about">
        ${oldest === null ? 'none is prepared' : `from ${dayOf(oldest)}${until === null ? '' : `, prepared until ${dayOf(until)}`}`}
      </dd>
    </div>
    <div>
      <dt>runs version</dt>
      <dd>${of((now) => now.version.split(' ', 1)[0] ?? now.version)}</dd>
      <dd class="about">
        since ${second(database.started_at)},
        ${standbys === 0 ? 'without a standby' : `with ${counted(standbys, 'standby')}`}
      </dd>
    </div>
  </dl>`;
}

/** @param idDays `null` is for ever, and `undefined` is not known */
function rules(
  system: Reading<SystemView>,
  { payloads, rows }: RetentionView,
  idDays: number | null | undefined,
): TemplateResult {
  const passes = (system.value?.workers ?? []).flatMap(({ retention_at: at }) => (at === null ? [] : [at]));
  const last = passes.sort().at(-1);
  const line = (name: string, days: number | null): TemplateResult =>
    html`<div>
      <dt>${name}</dt>
      <dd>${days === null ? 'for ever' : counted(days, 'day')}</dd>
    </div>`;
  return html`<dl class="facts">
      ${payloads.map(({ pattern, days }) => line(`payloads of ${pattern}`, days))}
      ${payloads.some(({ pattern }) => pattern === '>') ? nothing : line(payloads.length === 0 ? 'payloads' : 'other payloads', null)}
      ${line('duplicates', rows.duplicate)} ${line('conflicts', rows.conflict)}
      ${line('dead letters', rows.dead_letter)} ${idDays === undefined ? nothing : line('ids', idDays)}
    </dl>
    <p class="about">
      ${idDays === undefined ? nothing : aboutIds(idDays)}
      ${last === undefined ? nothing : `A worker last dropped all that was due at ${second(last)}.`}
    </p>`;
}

function aboutIds(days: number | null): string {
  if (days === null)
    return 'Ids stay for ever, so a repeat of an event whose payload is gone is still a duplicate.';
  return `A repeat is a duplicate for at least ${counted(days, 'day')}, and a new event when its id is forgotten.`;
}

function dayOf(instant: string): string {
  return instant.slice(0, 10);
}
