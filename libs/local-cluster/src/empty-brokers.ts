/**
 * Brokers that lost their disks join one after the other, so that they cannot outvote one that kept its own.
 *
 *   kept its log                        starts at once
 *   empty, and so are all               starts at once: the cluster is new
 *   empty, the first of them            starts at once: a survivor needs it for a majority, and has the longer log
 *   empty, a further one                waits until the one before has everything
 *
 * Raft is safe while a majority remembers. Two empty brokers of three are a majority that remembers nothing. Started together,
 * they may elect one of themselves, and then the survivor gives up the stream that it alone has. That was seen in one of
 * three runs of the fault `wipe-two-brokers`.
 */
import { isHealthy } from './broker-health.js';
import { waitFor } from './deadline.js';

/** Redundancy is missing meanwhile, and nothing else; but one that never gets there must not keep the others down for ever. */
const WAIT_MS_MAX = 120_000;
const ASK_EVERY_MS = 200;
/** From its turn to its process. */
const SPAWN_MS_MAX = 2_000;

/** What is asked of a broker. */
export interface JoiningBroker {
  readonly isEmpty: boolean;
  readonly monitorPort: number;
  /** Undefined while it is not running. */
  readonly pid: number | undefined;
}

interface Turn {
  readonly broker: JoiningBroker;
  readonly sinceMs: number;
}

/** Keeps the order of those that start. */
export class EmptyBrokers {
  private turn: Turn | undefined;

  /**
   * @param all the brokers of the cluster, asked for at each start
   * @param hasEverything whether a broker is current with the cluster
   */
  constructor(
    private readonly all: () => readonly JoiningBroker[],
    private readonly hasEverything = (broker: JoiningBroker): Promise<boolean> =>
      isHealthy(broker.monitorPort),
  ) {}

  /** Resolves when the broker may start, after 120 s at the latest. Throws the reason of the signal. */
  async untilTurn(broker: JoiningBroker, signal?: AbortSignal): Promise<void> {
    if (!broker.isEmpty || this.all().every(({ isEmpty }) => isEmpty)) return;
    await waitFor(async () => (await this.take(broker)) || undefined, {
      timeoutMs: WAIT_MS_MAX,
      intervalMs: ASK_EVERY_MS,
      signal,
    });
  }

  private async take(broker: JoiningBroker): Promise<boolean> {
    const before = this.turn;
    if (before !== undefined && before.broker !== broker && !(await this.isOver(before))) return false;
    // Another one took it meanwhile.
    if (this.turn !== before) return false;
    this.turn = { broker, sinceMs: performance.now() };
    return true;
  }

  private async isOver({ broker, sinceMs }: Turn): Promise<boolean> {
    if (broker.pid === undefined) return performance.now() - sinceMs > SPAWN_MS_MAX;
    return this.hasEverything(broker);
  }
}
