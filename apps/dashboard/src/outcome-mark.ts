/** The outcomes of a message: always the same four colours, which also differ by shape and by name. */
import { html, svg, type SVGTemplateResult, type TemplateResult } from 'lit-html';

/** An outcome of a message, or that it has none yet. */
export type Outcome = 'stored' | 'duplicate' | 'conflict' | 'dead-letter' | 'in-flight';

const SHAPES: Readonly<Record<Outcome, SVGTemplateResult>> = {
  stored: svg`<circle cx="6" cy="6" r="5" />`,
  duplicate: svg`<path d="M6 .5 11.5 6 6 11.5 .5 6z" />`,
  conflict: svg`<path d="M6 .8 11.6 11H.4z" />`,
  'dead-letter': svg`<path d="M1 1h10v10H1z" />`,
  'in-flight': svg`<circle cx="6" cy="6" r="4" class="hollow" />`,
};

/** The mark of an outcome. The name stands next to it, so it is hidden from screen readers. */
export function outcomeMark(outcome: Outcome): TemplateResult {
  return html`<svg class="mark ${outcome}" viewBox="0 0 12 12" aria-hidden="true">${SHAPES[outcome]}</svg>`;
}

/** The outcome in the colour of its shape, for charts. */
export const OUTCOME_NAMES: Readonly<Record<Outcome, string>> = {
  stored: 'stored',
  duplicate: 'duplicates',
  conflict: 'conflicts',
  'dead-letter': 'dead letters',
  'in-flight': 'in flight',
};
