/** The content of a report, and the word it begins with. */
import type { Verdict } from '../checker/verdict.js';
import type { RunDescription, Timeline } from './timeline.js';

/** A run that is over and judged. */
export interface RunReport {
  readonly run: RunDescription;
  readonly verdict: Verdict;
  readonly timeline: Timeline;
  /** The most memory that the judge ever held, checking included: `process.resourceUsage().maxRSS * 1024`. */
  readonly judgeBytesMax: number;
}

/** The verdict as a person reads it. */
export type VerdictWord = 'VALID' | 'VIOLATED' | 'UNKNOWN';

/** The verdict in one word. */
export function verdictWord(valid: Verdict['valid']): VerdictWord {
  if (valid === 'unknown') return 'UNKNOWN';
  return valid ? 'VALID' : 'VIOLATED';
}

/** The verdict in one sentence, for a reader without experience. */
export function verdictSentence({ valid, violations }: Verdict): string {
  if (valid === 'unknown') return 'No broken promise was found, but not everything could be read.';
  if (valid) return 'Every promise held: what was acknowledged took effect once.';
  return violations.length === 1 ? 'A promise was broken.' : `${violations.length} promises were broken.`;
}
