/**
 * Brokers that lost their disks join one after the other, so that they cannot outvote one that kept its own.
 *
 *   kept its log                        starts at once
 *   empty, and so are all               starts at once: the cluster is new
 *   empty, the first of a majority      gets a copy of a survivor's log (meta-layer.ts), and starts
 *   empty, a further one                waits until the previous one has a leader
 *
 * Raft is safe while a majority remembers. Two empty brokers of three are a majority that remembers nothing. When both
 * started at once, they elected one of themselves. The survivor then gave up the stream that it alone had.
 *
 * The survivor and one empty broker do not suffice: nats-server 2.14 counts the vote of an empty broker only when all
 * have voted. With a copy of the log its vote counts. For the stream itself, its vote is still empty, and only the
 * survivor can win. So all brokers are needed.
 */
import { readMetaGroup } from './broker-health.js';
import { poll } from '#waiting';

/** A survivor that does not come back must not keep the others down for ever. */
const WAIT_MS_MAX = 30_000;
const ASK_EVERY_MS = 200;
/** Time from a broker's turn to its process. */
const SPAWN_MS_MAX = 2_000;

/** The part of a broker that the order of starting needs. */
export interface JoiningBroker {
  readonly isEmpty: boolean;
  readonly monitorPort: number;
  /** Undefined while it is not running. */
  readonly pid: number | undefined;
  /** Copies another broker's knowledge of the cluster's streams. @returns whether there was any */
  adoptLog(other: JoiningBroker): boolean;
}

interface Turn {
  readonly broker: JoiningBroker;
  readonly sinceMs: number;
}

/** Keeps the order in which brokers start. */
export class EmptyBrokers {
  private turn: Turn | undefined;

  /**
   * @param all the brokers of the cluster, asked for at each start
   * @param isLed whether a broker knows the leader of the cluster
   */
  constructor(
    private readonly all: () => readonly JoiningBroker[],
    private readonly isLed = hasLeader,
  ) {}

  /** Resolves when the broker may start, after 30 s at the latest. Throws the reason of the signal. */
  async awaitTurn(broker: JoiningBroker, signal?: AbortSignal): Promise<void> {
    const all = this.all();
    const survivors = all.filter(({ isEmpty }) => !isEmpty);
    if (!broker.isEmpty || survivors.length === 0) return;
    await poll(async () => (await this.take(broker)) || undefined, {
      timeoutMs: WAIT_MS_MAX,
      intervalMs: ASK_EVERY_MS,
      signal,
    });
    if (survivors.length * 2 < all.length) survivors.some((survivor) => broker.adoptLog(survivor));
  }

  private async take(broker: JoiningBroker): Promise<boolean> {
    const before = this.turn;
    if (before !== undefined && before.broker !== broker && !(await this.isOver(before))) return false;
    // Another broker took the turn meanwhile.
    if (this.turn !== before) return false;
    this.turn = { broker, sinceMs: performance.now() };
    return true;
  }

  private async isOver({ broker, sinceMs }: Turn): Promise<boolean> {
    if (broker.pid === undefined) return performance.now() - sinceMs > SPAWN_MS_MAX;
    return this.isLed(broker);
  }
}

async function hasLeader({ monitorPort }: JoiningBroker): Promise<boolean> {
  const group = await readMetaGroup(monitorPort);
  return group?.leader !== undefined && group.leader !== '';
}
