/** Runs `sekali dead-letters list` and `show`. */
import type { DeadLetterDetail, DeadLetterGroupView, DeadLetterView } from '#contracts';
import type { ExitCode } from '../command-error.js';
import { print, printJson } from '../output.js';
import type { TargetOptions } from '../target.js';
import { GatewayClient } from '../gateway-client.js';
import { detailReport, groupsReport, listReport } from './report.js';

/** Which dead letters a command is about. */
export interface FilterOptions extends TargetOptions {
  readonly consumer?: string;
  readonly topic?: string;
  readonly reason?: string;
  readonly fingerprint?: string;
  readonly since?: string;
  readonly until?: string;
  readonly json?: boolean;
}

/** The options of `list`. */
export interface ListOptions extends FilterOptions {
  readonly state?: string;
  readonly group?: boolean;
  readonly limit: number;
}

/** The options of `show`. */
export interface ShowOptions extends TargetOptions {
  readonly json?: boolean;
}

const FILTERS = ['consumer', 'topic', 'reason', 'fingerprint', 'since', 'until'] as const;

/** Lists dead letters, or counts them by reason. */
export async function listDeadLetters(options: ListOptions): Promise<ExitCode> {
  const client = new GatewayClient(options);
  const query = new URLSearchParams(filterOf(options));
  if (options.state !== undefined) query.set('state', options.state);
  if (options.group === true) {
    query.set('group', 'reason');
    const groups = await countGroups(client, `/dead-letters?${query.toString()}`);
    await (options.json ? printJson(groups) : print(groupsReport(groups)));
    return 0;
  }
  query.set('limit', String(options.limit));
  const { letters, isMore } = await readLetters(client, `/dead-letters?${query.toString()}`, options.limit);
  await (options.json ? printJson(letters) : print(listReport(letters, isMore)));
  return 0;
}

/** Shows one dead letter. Throws `CommandError` (1) when there is none. */
export async function showDeadLetter(id: string, options: ShowOptions): Promise<ExitCode> {
  const client = new GatewayClient(options);
  const { body } = await client.get<DeadLetterDetail>(`/dead-letters/${encodeURIComponent(id)}`);
  await (options.json ? printJson(body) : print(detailReport(body)));
  return 0;
}

/** The filter in the form of the API. */
export function filterOf(options: FilterOptions): Record<string, string> {
  return Object.fromEntries(
    FILTERS.flatMap((name) => {
      const value = options[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

async function readLetters(
  client: GatewayClient,
  first: string,
  limit: number,
): Promise<{ letters: DeadLetterView[]; isMore: boolean }> {
  const letters: DeadLetterView[] = [];
  for (let path: string | undefined = first; path !== undefined;) {
    const page: { body: DeadLetterView[]; next: string | undefined } = await client.get(path);
    letters.push(...page.body);
    path = page.next;
    if (letters.length >= limit) {
      return { letters: letters.slice(0, limit), isMore: letters.length > limit || path !== undefined };
    }
  }
  return { letters, isMore: false };
}

/** The counts come in parts when there are many dead letters. */
async function countGroups(client: GatewayClient, first: string): Promise<DeadLetterGroupView[]> {
  const groups = new Map<string, DeadLetterGroupView>();
  for (let path: string | undefined = first; path !== undefined;) {
    const part: { body: DeadLetterGroupView[]; next: string | undefined } = await client.get(path);
    for (const group of part.body) {
      const key = `${group.consumer} ${group.fingerprint}`;
      groups.set(key, joined(groups.get(key), group));
    }
    path = part.next;
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}

function joined(newer: DeadLetterGroupView | undefined, older: DeadLetterGroupView): DeadLetterGroupView {
  if (newer === undefined) return older;
  return {
    ...newer,
    count: newer.count + older.count,
    more_topics: newer.more_topics || older.more_topics || newer.topic !== older.topic,
    first_at: older.first_at < newer.first_at ? older.first_at : newer.first_at,
    last_at: older.last_at > newer.last_at ? older.last_at : newer.last_at,
  };
}
