/** Everything a report is written from, and the word it begins with. */
import type { Verdict } from '../checker/verdict.js';
import type { RunDescription, Timeline } from './timeline.js';

/** A run that is over and judged. */
export interface RunReport {
  readonly run: RunDescription;
  readonly verdict: Verdict;
  readonly timeline: Timeline;
  /** Most memory that the judge ever held, checking included: `process.resourceUsage().maxRSS * 1024`. */
  readonly judgeBytesMax: number;
}

/** The verdict as a person reads it. */
export type VerdictWord = 'VALID' | 'VIOLATED' | 'UNKNOWN';

/** The verdict in one word. */
export function verdictWord(valid: Verdict['valid']): VerdictWord {
  if (valid === 'unknown') return 'UNKNOWN';
  return valid ? 'VALID' : 'VIOLATED';
}

/** The verdict in one sentence, for someone who has never read one. */
export function verdictSentence({ valid, violations }: Verdict): string {
  if (valid === 'unknown') return 'No promise was seen broken, but not everything could be told.';
  if (valid) return 'Every promise held: what was acknowledged took effect once.';
  return violations.length === 1 ? 'A promise was broken.' : `${violations.length} promises were broken.`;
}
