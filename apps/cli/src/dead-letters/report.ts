/** Dead letters as a person reads them. */
import type { DeadLetterActionView, DeadLetterDetail, DeadLetterGroupView, DeadLetterView } from '#contracts';
import { colours, columnTable, countOf, figureTable, formatCount, printable } from '../output.js';

const MESSAGE_LENGTH_MAX = 60;
const BODY_LENGTH_MAX = 4_000;

/** A table of dead letters, newest first. @param isMore whether others follow */
export function listReport(letters: readonly DeadLetterView[], isMore: boolean): string {
  if (letters.length === 0) return 'No dead letter is open.';
  const rows = letters.map((letter) => [
    letter.id,
    printable(letter.topic),
    printable(letter.reason),
    letter.state,
    formatCount(letter.actions),
    minute(letter.recorded_at),
  ]);
  const table = columnTable(['id', 'topic', 'reason', 'state', 'actions', 'since'], rows);
  return isMore ? `${table}\nOthers follow: ask for more with --limit.` : table;
}

/** A table of what failed alike, the most frequent first. */
export function groupsReport(groups: readonly DeadLetterGroupView[]): string {
  if (groups.length === 0) return 'No dead letter is open.';
  const rows = groups.map((group) => [
    `${group.consumer} ${printable(group.reason)}`,
    shortened(group.message),
    `${printable(group.topic)}${group.more_topics ? ' …' : ''}`,
    formatCount(group.count),
    minute(group.first_at),
    minute(group.last_at),
    group.fingerprint,
  ]);
  const head = ['reason', 'message', 'topic', 'count', 'first', 'last', 'fingerprint'];
  const all = groups.reduce((sum, { count }) => sum + count, 0);
  return `${columnTable(head, rows)}\n${countOf(all, 'dead letter')} in ${countOf(groups.length, 'group')}`;
}

/** One dead letter with its message and its history. */
export function detailReport(letter: DeadLetterDetail): string {
  const figures = figureTable([
    ['id', letter.id],
    ['state', letter.state],
    ['topic', printable(letter.topic)],
    ['event id', letter.event_id === null ? '–' : printable(letter.event_id)],
    ['subject', printable(letter.subject)],
    ['reason', printable(letter.reason)],
    ['deliveries', formatCount(letter.deliveries)],
    ['published', letter.published_at],
    ['given up', letter.recorded_at],
    ['body', countOf(letter.body_bytes, 'byte')],
  ]);
  const headers = Object.entries(letter.headers).map(
    ([name, values]) => `  ${printable(name)}: ${printable(values.join(', '))}`,
  );
  return [
    figures,
    printable(letter.detail),
    ...(headers.length === 0 ? [] : ['', colours.bold('Headers'), ...headers]),
    '',
    colours.bold('Body'),
    bodyText(letter.body),
    ...(letter.history.length === 0 ? [] : ['', colours.bold('History')]),
    ...letter.history.map(actionLine),
  ].join('\n');
}

function actionLine(action: DeadLetterActionView): string {
  const who = action.by === null ? 'without a key' : `by ${printable(action.by)}`;
  const why = action.reason === null ? '' : `: ${printable(action.reason)}`;
  const what = action.kind === 'drop' ? 'dropped' : `replayed${action.mended ? ' with another body' : ''}`;
  const seq = action.replay_seq === null ? '' : ` as sequence ${action.replay_seq}`;
  const end = action.kind === 'drop' ? '' : `, ${(action.became ?? 'not published yet').replace('_', ' ')}`;
  const failure = action.failure === null ? '' : ` (${shortened(action.failure.detail)})`;
  return `  ${action.number}. ${action.at} ${what} ${who}${seq}${end}${failure}${why}`;
}

function bodyText({ text, base64, is_cut }: DeadLetterDetail['body']): string {
  const shown = text === null ? `base64: ${base64}` : text.split('\n').map(printable).join('\n');
  const isCut = is_cut || shown.length > BODY_LENGTH_MAX;
  return `${shown.slice(0, BODY_LENGTH_MAX)}${isCut ? '\n… --json prints more' : ''}`;
}

function shortened(text: string): string {
  const clean = printable(text);
  return clean.length <= MESSAGE_LENGTH_MAX ? clean : `${clean.slice(0, MESSAGE_LENGTH_MAX - 1)}…`;
}

function minute(instant: string): string {
  return instant.slice(0, 16).replace('T', ' ');
}
