/** One event as one line, for a person or a machine. */
import { LEVEL_SPELLINGS, objectSpans, type EventView, type Level } from '#contracts';
import { colours, printable } from '../output.js';

const LEVEL_MEMBERS = ['level', 'severity', 'severity_text'];
const RED: readonly Level[] = ['error', 'critical', 'fatal', 'alert', 'emergency'];

/**
 * The time, the topic, the id and the payload of an event. The payload is the gateway's own text, because a parsed number
 * may have lost digits.
 *
 * @param text the JSON of one event
 */
export function eventLine(text: string): string {
  const { timestamp, topic, event_id: eventId, payload } = JSON.parse(text) as EventView;
  const span = objectSpans(text).members.get('payload');
  const shown = printable(text.slice(span?.start, span?.end));
  return `${colours.dim(timestamp)} ${colours.cyan(topic)} ${printable(eventId)} ${coloured(shown, payload as Readonly<Record<string, unknown>>)}`;
}

function coloured(text: string, payload: Readonly<Record<string, unknown>>): string {
  const word = LEVEL_MEMBERS.map((name) => payload[name]).find((value) => typeof value === 'string');
  if (typeof word !== 'string') return text;
  const is = (level: Level): boolean =>
    (LEVEL_SPELLINGS[level] as readonly string[]).includes(word.toLowerCase());
  if (RED.some(is)) return colours.red(text);
  return is('warn') ? colours.yellow(text) : text;
}
