/**
 * How much the brokers may keep on their disk.
 *
 *   room of the disk (free, and what the brokers use already)
 *   ├─ half    Postgres, which stores each event too, logs, everything else
 *   └─ half    an equal share for each broker
 *              ├─ reserve    Raft logs, indexes, what is written before it is compacted
 *              └─ stream     the bytes that a stream may hold
 *
 * A broker that fills its disk switches JetStream off, and loses messages that it has acknowledged. A stream that
 * reaches its own bound refuses publishers, and loses nothing. So the stream's bound must come first.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { LocalClusterError } from './local-cluster-error.js';

const BROKERS_PART = 0.5;
/** At the peak, the overhead was 0.6 % for large messages and 14 % for small ones. */
const RESERVE_PART = 0.2;
const RESERVE_BYTES_MIN = 16 * 1024 ** 2;
const STREAM_BYTES_MIN = 1_000_000;

/** What one of several brokers on the same disk may keep. */
export interface BrokerRoom {
  /** Bytes for JetStream as a whole. */
  readonly fileStoreBytes: number;
  /** Bytes for one stream with a replica on each broker. */
  readonly streamBytes: number;
}

/** Free bytes on the disk of a directory. */
export function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/**
 * Divides the room of the disk.
 *
 * @param directory an existing directory on that disk
 * @param stores the directory of each broker's store; they need not exist
 * @throws LocalClusterError when there is too little for any useful stream
 */
export function brokerRoom(directory: string, stores: readonly string[]): BrokerRoom {
  const leftBytes = freeBytes(directory);
  const usedBytes = stores.reduce((sum, store) => sum + bytesIn(store), 0);
  const share = Math.floor(((leftBytes + usedBytes) * BROKERS_PART) / stores.length);
  const streamBytes = share - Math.max(RESERVE_BYTES_MIN, Math.floor(share * RESERVE_PART));
  if (streamBytes < STREAM_BYTES_MIN) {
    const free = Math.floor(leftBytes / 1e6);
    throw new LocalClusterError(
      `The disk of ${directory} has only ${free} MB left, too little for ${stores.length} brokers: ` +
        'make room there, or choose another place with --data.',
    );
  }
  return { fileStoreBytes: share, streamBytes };
}

/**
 * The bound of the file store in an older configuration file, 0 when there is none. The bound never shrinks; only that
 * of the streams does. A broker whose bound is below the reservations of its streams takes no messages and no changes.
 */
export function formerFileStoreBytes(configFile: string): number {
  if (!existsSync(configFile)) return 0;
  return Number(/max_file_store: (\d+)/.exec(readFileSync(configFile, 'utf8'))?.[1] ?? 0);
}

/** Files come and go while a broker runs. A file that has gone counts 0. */
function bytesIn(directory: string): number {
  if (!existsSync(directory)) return 0;
  const BLOCK_BYTES = 512;
  let bytes = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    bytes += (lstatSync(join(directory, name), { throwIfNoEntry: false })?.blocks ?? 0) * BLOCK_BYTES;
  }
  return bytes;
}
