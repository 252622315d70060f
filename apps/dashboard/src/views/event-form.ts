/** The form of a filter of events. What one fills in becomes the address. */
import { html, type TemplateResult } from 'lit-html';
import { go } from '../place.js';
import { eventFilterIn, hrefOfFilter, type EventFilter } from './event-filter.js';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

interface Field {
  readonly name: string;
  readonly label: string;
  readonly placeholder: string;
}

const BEFORE_LEVEL: readonly Field[] = [
  { name: 'topic', label: 'Topic', placeholder: 'logs.>, or all' },
  { name: 'source', label: 'Source', placeholder: 'all' },
  { name: 'q', label: 'Text in the payload', placeholder: '' },
  { name: 'where', label: 'Members', placeholder: 'payload.status:500' },
];
const AFTER_LEVEL: readonly Field[] = [
  { name: 'since', label: 'Since', placeholder: '2026-11-28T10:00:00Z' },
  { name: 'until', label: 'Until', placeholder: 'now' },
];

/** The form with a filter in it. @param others what else the view shows, see `hrefOfFilter` */
export function eventForm(filter: EventFilter, others: Readonly<Record<string, string>>): TemplateResult {
  const { where, min_level: level, ...single } = filter;
  const values: Readonly<Record<string, string | undefined>> = { ...single, where: where.join(' ') };
  const input = ({ name, label, placeholder }: Field): TemplateResult =>
    html`<label
      >${label}
      <input
        name=${name}
        .value=${values[name] ?? ''}
        autocomplete="off"
        spellcheck="false"
        placeholder=${placeholder}
      />
    </label>`;
  return html`<form class="search" role="search" aria-label="Events" @submit=${submit(others)}>
    ${BEFORE_LEVEL.map(input)}
    <label
      >Level
      <select name="min_level">
        <option value="" ?selected=${level === undefined}>any</option>
        ${LEVELS.map((one) => html`<option value=${one} ?selected=${one === level}>${one} or worse</option>`)}
      </select>
    </label>
    ${AFTER_LEVEL.map(input)}
    <button type="submit">Show</button>
  </form>`;
}

function submit(others: Readonly<Record<string, string>>): (event: SubmitEvent) => void {
  return (event) => {
    event.preventDefault();
    const given = new URLSearchParams();
    for (const [name, value] of new FormData(event.currentTarget as HTMLFormElement)) {
      if (typeof value !== 'string') continue;
      // Several members stand in one line.
      const parts = name === 'where' ? value.split(/\s+(?=payload\.)/) : [value];
      for (const part of parts) given.append(name, part);
    }
    go(hrefOfFilter(eventFilterIn(given), others));
  };
}
