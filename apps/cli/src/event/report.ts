/** The story of one event as a person reads it. */
import {
  arraySpans,
  objectSpans,
  type StoryActionView,
  type StoryEntryView,
  type StoryRepeatView,
  type StoryView,
} from '#contracts';
import { colours, countOf, formatCount, printable } from '../output.js';

/** A story, or the beginning of one. The entries are the gateway's own JSON, so no number has lost a digit. */
export interface ShownStory extends Pick<StoryView, 'topic' | 'event_id' | 'state'> {
  readonly entries: readonly string[];
  /** Whether others follow. */
  readonly isMore: boolean;
}

const STATES = {
  stored: 'stored',
  payload_dropped: 'stored; its payload was dropped by age',
  not_stored: 'not stored',
} as const;
const VALUE_LENGTH_MAX = 60;
const SECONDS_OF = [
  [86_400, 'day'],
  [3_600, 'hour'],
  [60, 'minute'],
] as const;

/** A line for each entry, below the name of the event. */
export function storyReport({ topic, event_id: eventId, state, entries, isMore }: ShownStory): string {
  return [
    `${colours.bold(`${printable(topic)} ${printable(eventId)}`)}: ${STATES[state]}`,
    '',
    ...entries.flatMap(entryLines),
    ...(isMore ? ['Others follow: ask for more with --limit.'] : []),
  ].join('\n');
}

function entryLines(text: string): string[] {
  const entry = JSON.parse(text) as StoryEntryView;
  return [
    `${colours.dim(entry.at)}  ${coloured(entry)}`,
    ...(entry.kind === 'conflict' ? differenceLines(text) : []),
  ];
}

function coloured(entry: StoryEntryView): string {
  const line = lineOf(entry);
  if (entry.kind === 'conflict' || entry.kind === 'dead_letter') return colours.red(line);
  return entry.kind === 'stored' ? colours.green(line) : line;
}

function lineOf(entry: StoryEntryView): string {
  const seq = `sequence ${formatCount(entry.seq)}`;
  switch (entry.kind) {
    case 'published':
      return `published as ${seq}${throughOf(entry)}`;
    case 'stored':
      return entry.timestamp === null
        ? 'stored'
        : `stored, of ${entry.timestamp} by ${printable(entry.source ?? '')}`;
    case 'duplicate':
      return `duplicate, ${seq}${distanceOf(entry)}`;
    case 'conflict':
      return `conflict, ${seq}${distanceOf(entry)}: another payload`;
    case 'dead_letter':
      return `dead letter of ${entry.consumer}, ${seq}: ${printable(entry.reason)}, ${printable(entry.detail)}`;
    case 'replay':
      return `replayed${actorOf(entry)}${entry.replay_seq === null ? '' : ` as sequence ${formatCount(entry.replay_seq)}`}, ${(entry.became ?? 'not published yet').replace('_', ' ')}`;
    case 'drop':
      return `dropped${actorOf(entry)}`;
  }
}

function throughOf({ through, door }: Extract<StoryEntryView, { kind: 'published' }>): string {
  switch (through) {
    case 'gateway':
      return door ? ` by a gateway (${printable(door)})` : ' by a gateway';
    case 'nats':
      return ' by a producer over NATS';
    case 'replay':
      return ' by a replay';
    case null:
      return '';
  }
}

function actorOf({ by, reason }: StoryActionView): string {
  const who = by === null ? ' without a key' : ` by ${printable(by)}`;
  return reason === null ? who : `${who} (${printable(reason)})`;
}

function distanceOf({ messages_later: messages, seconds_later: seconds }: StoryRepeatView): string {
  const parts = [
    ...(messages === null ? [] : [countOf(messages, 'message')]),
    ...(seconds === null ? [] : [durationOf(seconds)]),
  ];
  return parts.length === 0 ? '' : `, ${parts.join(' and ')} later`;
}

function durationOf(seconds: number): string {
  const [size, unit] = SECONDS_OF.find(([length]) => seconds >= length) ?? [1, 'second'];
  const count = size === 1 ? Math.round(seconds * 1_000) / 1_000 : Math.floor(seconds / size);
  return countOf(count, unit);
}

/** The values are taken from the text, because a parsed number may have lost digits. */
function differenceLines(text: string): string[] {
  const list = memberOf(text, 'differences') ?? 'null';
  if (list === 'null') return ['    the stored payload was dropped by age, so what differed is not known'];
  const lines = arraySpans(list).map(({ start, end }) => {
    const difference = list.slice(start, end);
    const path = JSON.parse(memberOf(difference, 'path') ?? '""') as string;
    return `    ${printable(path)}: ${valueOf(difference, 'stored')} → ${valueOf(difference, 'sent')}`;
  });
  return memberOf(text, 'more_differences') === 'true' ? [...lines, '    and others'] : lines;
}

function valueOf(difference: string, name: 'stored' | 'sent'): string {
  const bytes = memberOf(difference, `${name}_bytes`);
  if (bytes !== undefined) return countOf(Number(bytes), 'byte');
  const value = printable(memberOf(difference, name) ?? 'nothing');
  return value.length <= VALUE_LENGTH_MAX ? value : `${value.slice(0, VALUE_LENGTH_MAX - 1)}…`;
}

function memberOf(text: string, name: string): string | undefined {
  const span = objectSpans(text).members.get(name);
  return span === undefined ? undefined : text.slice(span.start, span.end);
}
