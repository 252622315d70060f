/** Runs `sekali dead-letters replay` and `drop`. */
import { readFile } from 'node:fs/promises';
import type { DeadLetterBulkResult, DeadLetterResult } from '#contracts';
import { CommandError, errorLine, type ExitCode } from '../command-error.js';
import { figureTable, formatCount, notice, print, printable, printJson } from '../output.js';
import { GatewayClient } from '../gateway-client.js';
import { filterOf, type FilterOptions } from './run.js';

/** The options of both. */
export interface ActionOptions extends FilterOptions {
  readonly why?: string;
  readonly all?: boolean;
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

/** The options of `replay`. */
export interface ReplayOptions extends ActionOptions {
  readonly event?: string;
}

type Action = 'replay' | 'drop';

/** The results that leave something to do. */
const FAILED: ReadonlySet<DeadLetterResult['status']> = new Set(['not_replayable', 'unavailable', 'refused']);
const LIMIT = 500;
/** Failures that are printed one by one. */
const NAMED_MAX = 20;

/** What a status means, for people. */
const MEANINGS: Readonly<Record<DeadLetterResult['status'], string>> = {
  published: 'published again',
  in_flight: 'published before, not decided yet',
  stored: 'stored before',
  duplicate: 'a duplicate before',
  dropped: 'dropped',
  possible: 'would be done',
  not_replayable: 'not an event: mend it',
  unavailable: 'not published: try again',
  refused: 'refused',
};

/** Publishes dead letters again. The exit code is 1 when some could not be. */
export async function replayDeadLetters(id: string | undefined, options: ReplayOptions): Promise<ExitCode> {
  const { event, why: reason, force } = options;
  if (id === undefined && event !== undefined)
    throw new CommandError('--event is for one dead letter: give its id');
  const body = event === undefined ? undefined : await eventText(event);
  return act('replay', id, options, { reason, force, body });
}

/** Gives dead letters up for good. The exit code is 1 when some could not be. */
export async function dropDeadLetters(id: string | undefined, options: ActionOptions): Promise<ExitCode> {
  const { why: reason, force, dryRun } = options;
  if (reason === undefined && dryRun !== true)
    throw new CommandError('say why with --why: the reason is kept with the dead letter');
  return act('drop', id, options, { reason, force });
}

async function act(
  action: Action,
  id: string | undefined,
  options: ActionOptions,
  order: {
    readonly reason: string | undefined;
    readonly force: boolean | undefined;
    readonly body?: string | undefined;
  },
): Promise<ExitCode> {
  const filter = filterOf(options);
  const isSelected = Object.keys(filter).length > 0 || options.all === true;
  if (id !== undefined && (isSelected || options.dryRun === true))
    throw new CommandError('give either an id, or options that select');
  const client = new GatewayClient(options);
  if (id !== undefined) {
    const path = `/dead-letters/${encodeURIComponent(id)}/${action}`;
    const result = await client.post<DeadLetterResult>(path, JSON.stringify(order));
    await (options.json ? printJson(result) : print(`${result.id}: ${MEANINGS[result.status]}`));
    return 0;
  }
  if (order.force === true) throw new CommandError('--force is for one dead letter: give its id');
  if (!isSelected) throw new CommandError('give an id, options that select, or --all');
  const all = await actOnAll(client, action, { filter, reason: order.reason, dry_run: options.dryRun });
  await (options.json ? printJson(all) : print(summary(all)));
  return all.results.some(({ status }) => FAILED.has(status)) ? 1 : 0;
}

/** The gateway acts on a bounded number with each request. */
async function actOnAll(
  client: GatewayClient,
  action: Action,
  order: {
    readonly filter: object;
    readonly reason: string | undefined;
    readonly dry_run: boolean | undefined;
  },
): Promise<Omit<DeadLetterBulkResult, 'cursor'>> {
  const results: DeadLetterResult[] = [];
  const counts: Record<string, number> = {};
  let cursor: string | null = null;
  do {
    const part: DeadLetterBulkResult = await client.post(
      `/dead-letters/${action}`,
      JSON.stringify({ ...order, limit: LIMIT, cursor }),
    );
    results.push(...part.results);
    for (const [status, count] of Object.entries(part.counts)) counts[status] = (counts[status] ?? 0) + count;
    cursor = part.cursor;
  } while (cursor !== null);
  return { dry_run: order.dry_run === true, counts, results };
}

function summary({ dry_run, counts, results }: Omit<DeadLetterBulkResult, 'cursor'>): string {
  if (results.length === 0) return 'No open dead letter is selected.';
  const rows = Object.entries(counts).map(([status, count]): [string, string] => [
    MEANINGS[status as DeadLetterResult['status']],
    formatCount(count),
  ]);
  const failed = results.filter(({ status }) => FAILED.has(status));
  for (const { id, detail = '' } of failed.slice(0, NAMED_MAX)) notice(`${id}: ${printable(detail)}`);
  if (failed.length > NAMED_MAX)
    notice(`… and ${formatCount(failed.length - NAMED_MAX)} more; --json has all`);
  return dry_run ? `${figureTable(rows)}\nNothing was changed.` : figureTable(rows);
}

async function eventText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CommandError(`cannot read ${path}: ${errorLine(error)}`, 2, { cause: error });
  }
}
