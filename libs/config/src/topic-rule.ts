/** Rules about topics, as settings write them: a pattern, an equals sign, and what holds for the topics that match it. */

/** A century. */
export const RETENTION_DAYS_MAX = 36_500;

const TOKEN = '(?:[A-Za-z0-9_-]{1,64}|\\*)';
/** A topic, or a pattern of topics. */
const TOPICS = `(?:>|${TOKEN}(?:\\.${TOKEN}){0,15}|(?:${TOKEN}\\.){1,15}>)`;

/** A rule of retention: for how many days, or for ever, payloads are kept. */
export function isRetentionRule(text: string): boolean {
  const days = /=(\d{1,5})d$/.exec(text)?.[1] ?? '1';
  return (
    new RegExp(`^${TOPICS}=(?:[1-9]\\d{0,4}d|forever)$`).test(text) && Number(days) <= RETENTION_DAYS_MAX
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

/** A rule of indexes: what of payloads is indexed when a day is closed. */
export function isIndexRule(text: string): boolean {
  return new RegExp(`^${TOPICS}=(?:none|fields|text)$`).test(text);
}
