/** Runs `sekali tail`. */
import { pause } from '#waiting';
import { CommandError, errorLine, type ExitCode } from '../command-error.js';
import { eventLine } from '../events/event-line.js';
import { filterParameters, type FilterOptions } from '../events/filter-options.js';
import { GatewayClient, UnansweredError } from '../gateway-client.js';
import { notice, print } from '../output.js';
import type { TargetOptions } from '../target.js';
import { Interruption } from '../up/interruption.js';
import { SentEvents, type SentEvent } from './sent-events.js';

/** The options of `tail`. */
export interface TailOptions extends TargetOptions, FilterOptions {
  readonly json?: boolean;
}

const AGAIN_MS_MIN = 500;
const AGAIN_MS_MAX = 10_000;

/**
 * Shows events until it is interrupted. A connection that ends is opened again, behind the last message.
 *
 * @throws CommandError when the first connection is refused, or a later one for another reason than the moment
 */
export async function followEvents(options: TailOptions): Promise<ExitCode> {
  const interruption = new Interruption(() => process.exit(0));
  const { signal } = interruption;
  const tail = new Tail(options);
  for (let againMs = AGAIN_MS_MIN; !signal.aborted; againMs = Math.min(AGAIN_MS_MAX, againMs * 2)) {
    if (await tail.follow(signal)) againMs = AGAIN_MS_MIN;
    await pause(againMs, signal);
  }
  interruption.close();
  return 0;
}

/** What was shown, over all connections. */
class Tail {
  private readonly client: GatewayClient;
  private readonly path: string;
  private lastId: string | undefined;
  private hasFollowed = false;

  constructor(private readonly options: TailOptions) {
    this.client = new GatewayClient(options);
    this.path = `/events/stream?${filterParameters(options).toString()}`;
  }

  /** Shows what one connection brings. @returns whether it brought a message */
  async follow(signal: AbortSignal): Promise<boolean> {
    let isLive = false;
    try {
      const body = await this.client.stream(this.path, this.lastId, signal);
      this.hasFollowed = true;
      for await (const message of new SentEvents(body)) {
        await this.show(message);
        isLive = true;
      }
    } catch (error) {
      if (signal.aborted) return isLive;
      const isRefused = error instanceof CommandError && !(error instanceof UnansweredError);
      if (!this.hasFollowed || isRefused) throw error;
      notice(`${errorLine(error)}; trying again`);
    }
    return isLive;
  }

  private async show({ event, data, id }: SentEvent): Promise<void> {
    if (event === 'event') await print(this.options.json === true ? data : eventLine(data));
    if (event === 'waiting') notice('the gateway waits for its database');
    // Only now: an interruption in between shows it again rather than never.
    this.lastId = id ?? this.lastId;
  }
}
