/** Rules about topics, as settings write them: `logs.>=7d,>=90d`. The first whose pattern matches a topic decides on it. */

/** A rule as it is written. */
export interface WrittenRule {
  /** A topic in which `*` stands for one token, and `>` at the end for one or more. */
  readonly pattern: string;
  /** What is behind the last `=`. */
  readonly value: string;
}

/**
 * Divides the text of a setting, which libs/config has validated.
 *
 * @param text rules that are joined by commas; `undefined` is none
 */
export function writtenRules(text: string | undefined): WrittenRule[] {
  return (text ?? '').split(',').flatMap((written) => {
    const rule = written.trim();
    // The pattern `>` makes a rule of `>=7d`, so the last `=` divides it.
    const at = rule.lastIndexOf('=');
    const pattern = rule.slice(0, at);
    return pattern === '' ? [] : [{ pattern, value: rule.slice(at + 1) }];
  });
}

/** Returns a pattern as a regular expression of Postgres. */
export function expressionOf(pattern: string): string {
  const tokens = pattern.split('.').map((token) => (token === '*' ? '[^.]+' : token === '>' ? '.+' : token));
  return `^${tokens.join('\\.')}$`;
}
