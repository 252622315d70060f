/** The rules of retention as text: whether one is right, and for how long they keep anything. */

/** A century. */
export const RETENTION_DAYS_MAX = 36_500;

/** A rule of retention: a pattern of topics, and for how many days, or for ever, their payloads are kept. */
export function isRetentionRule(text: string): boolean {
  const token = '(?:[A-Za-z0-9_-]{1,64}|\\*)';
  const pattern = `(?:>|${token}(?:\\.${token}){0,15}|(?:${token}\\.){1,15}>)`;
  const days = /=(\d{1,5})d$/.exec(text)?.[1] ?? '1';
  return (
    new RegExp(`^${pattern}=(?:[1-9]\\d{0,4}d|forever)$`).test(text) && Number(days) <= RETENTION_DAYS_MAX
  );
}

/**
 * Returns for how many days valid rules of retention keep any payload; `Infinity` where one rule, or the lack of one for
 * a topic, keeps payloads for ever. What follows the pattern `>` decides on no topic.
 */
export function payloadDaysMax(rules: string | undefined): number {
  let most = 0;
  for (const rule of (rules ?? '').split(',').map((text) => text.trim())) {
    const days = /=(\d+)d$/.exec(rule)?.[1];
    if (days === undefined) return Infinity;
    most = Math.max(most, Number(days));
    if (rule.startsWith('>=')) return most;
  }
  return Infinity;
}
