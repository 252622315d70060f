/** The equation at the centre of the page: what was received is what became of it. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { StatsView } from '#contracts';
import { outcomeMark, type Outcome } from '../outcome-mark.js';
import { hrefOf } from '../place.js';
import type { Reading } from '../reading.js';
import { clock, count, counted, span, UNKNOWN } from '../wording.js';

/** The members that are known without the brokers. A problem of the gateway may have them. */
type Known = Pick<StatsView, 'unique_processed' | 'duplicate_dropped' | 'dead_letters'> &
  Partial<Pick<StatsView, 'received' | 'in_flight'>>;

interface Term {
  readonly name: string;
  readonly outcome?: Outcome;
  readonly href?: string;
  readonly read: (known: Known) => number | undefined;
}

const TERMS: readonly Term[] = [
  { name: 'received', read: ({ received }) => received },
  { name: 'stored', outcome: 'stored', href: hrefOf('explore'), read: (known) => known.unique_processed },
  {
    name: 'duplicates',
    outcome: 'duplicate',
    href: hrefOf('topics'),
    read: (known) => known.duplicate_dropped,
  },
  {
    name: 'dead letters',
    outcome: 'dead-letter',
    href: hrefOf('dead-letters'),
    read: (known) => known.dead_letters,
  },
  { name: 'in flight', outcome: 'in-flight', read: ({ in_flight: inFlight }) => inFlight },
];
const OPERATORS = ['', '=', '+', '+', '+'];

/** The equation of the figures. */
export function equation(stats: Reading<StatsView>): TemplateResult {
  const known = stats.isCurrent ? stats.value : knownOf(stats);
  return html`<div class="equation">
      ${TERMS.map(
        (term, index) =>
          html`<div class="part">${operator(OPERATORS[index] ?? '')}${termOf(term, known, stats)}</div>`,
      )}
    </div>
    ${balance(stats)}`;
}

function operator(sign: string): TemplateResult | typeof nothing {
  return sign === '' ? nothing : html`<span class="operator">${sign}</span>`;
}

function termOf(
  { name, outcome, href, read }: Term,
  known: Known | undefined,
  stats: Reading<StatsView>,
): TemplateResult {
  const value = known === undefined ? undefined : read(known);
  const last = value === undefined && stats.value !== undefined ? read(stats.value) : undefined;
  return html`<div class="term ${outcome ?? 'received'}">
    <span class="figure ${value === undefined ? 'stale' : ''}"
      >${value === undefined ? UNKNOWN : count(value)}</span
    >
    <span class="name"
      >${outcome === undefined ? nothing : outcomeMark(outcome)}${
        href === undefined ? name : html`<a href=${href}>${name}</a>`
      }</span
    >
    ${
      last === undefined || stats.atMs === undefined
        ? nothing
        : html`<span class="last-known">${count(last)} at ${clock(stats.atMs)}</span>`
    }
  </div>`;
}

function balance(stats: Reading<StatsView>): TemplateResult | typeof nothing {
  if (stats.value === undefined || !stats.isCurrent) return nothing;
  const { received, unique_processed, duplicate_dropped, dead_letters, in_flight, gone, expires_in_seconds } =
    stats.value;
  const { conflicts } = stats.value;
  const difference = received - unique_processed - duplicate_dropped - dead_letters - in_flight;
  return html`<p class="balance">
      ${
        difference === 0
          ? html`<strong>It balances.</strong> Every message is accounted for.`
          : html`<strong class="failed">It does not balance</strong> by ${count(difference)}. Run
              <code>sekali audit</code>.`
      }
      ${conflicts === 0 ? nothing : html`Among the duplicates: ${counted(conflicts, 'conflict')}, with a known id and another payload.`}
    </p>
    ${
      gone === 0
        ? nothing
        : html`<p class="note failed">
            <strong>${count(gone)}</strong> messages left the stream without being settled.
            <code>sekali audit</code> names them.
          </p>`
    }
    ${
      expires_in_seconds === null || expires_in_seconds > 86_400
        ? nothing
        : html`<p class="note failed">
            The oldest message in flight leaves the stream in <strong>${span(expires_in_seconds)}</strong>.
          </p>`
    }`;
}

/** While the brokers do not answer, the gateway still says what the database knows. */
function knownOf({ failure }: Reading<StatsView>): Known | undefined {
  return failure?.kind === 'problem' ? (failure.problem['known'] as Known | undefined) : undefined;
}
