/** Runs `sekali events`. */
import { arraySpans } from '#contracts';
import { pause } from '#waiting';
import type { ExitCode } from '../command-error.js';
import { GatewayClient, type ClientAnswer } from '../gateway-client.js';
import { readRetryAfter } from '../http-producer.js';
import { notice, print } from '../output.js';
import type { TargetOptions } from '../target.js';
import { Interruption } from '../up/interruption.js';
import { eventLine } from './event-line.js';
import { filterParameters, type FilterOptions } from './filter-options.js';

/** The options of `events`. */
export interface EventsOptions extends TargetOptions, FilterOptions {
  readonly newest?: boolean;
  readonly limit: number;
  readonly json?: boolean;
}

const PAGE_MAX = 1_000;
const SAID_EVERY_MS = 2_000;

/** Lists events until there are enough of them, or no more. */
export async function listEvents(options: EventsOptions): Promise<ExitCode> {
  const interruption = new Interruption(() => process.exit(130));
  const client = new GatewayClient(options);
  const parameters = filterParameters(options);
  parameters.set('limit', String(Math.min(options.limit, PAGE_MAX)));
  if (options.newest === true) parameters.set('order', 'desc');
  let left = options.limit;
  const search = new Search();
  for (let path: string | undefined = `/events?${parameters.toString()}`; path !== undefined && left > 0;) {
    const answer: ClientAnswer<unknown> = await client.get(path);
    if (interruption.signal.aborted) return 130;
    const lines = arraySpans(answer.text)
      .slice(0, left)
      .map(({ start, end }) => answer.text.slice(start, end));
    if (lines.length > 0)
      await print(lines.map((line) => (options.json === true ? line : eventLine(line))).join('\n'));
    left -= lines.length;
    search.note(answer.headers.get('sekali-walk') ?? '');
    path = answer.next;
    // The next page is empty as well until what it waits for is settled.
    const waitMs = readRetryAfter(answer.headers.get('retry-after'));
    if (path !== undefined && left > 0 && waitMs !== undefined) await pause(waitMs, interruption.signal);
  }
  interruption.close();
  return 0;
}

/** Says on a terminal how far a long search is. */
class Search {
  private inspected = 0;
  private saidMs = performance.now();

  /** @param walk the header of a page, see `Sekali-Walk` */
  note(walk: string): void {
    this.inspected += Number(/;rows=(\d+)/.exec(walk)?.[1] ?? 0);
    const time = /;time="([^"]+)"/.exec(walk)?.[1];
    if (time === undefined || !process.stderr.isTTY || performance.now() - this.saidMs < SAID_EVERY_MS)
      return;
    this.saidMs = performance.now();
    notice(`inspected ${this.inspected.toLocaleString('en')} events, now at those stored at ${time}`);
  }
}
