import { errors, type NatsConnection, type Status } from '@nats-io/nats-core';
import { digestIn } from '#contracts';

/** Four fingerprints share a bucket. All buckets together have a million, in 8 MiB. */
const BUCKETS = 262_144;
const WAYS = 4;
/** Two numbers of 32 bits: the bucket, and what is compared in it. */
const WORDS = 2;
const BYTES = WORDS * Uint32Array.BYTES_PER_ELEMENT;
/** A client that turns to another gateway takes longer than that. */
const SHARE_AFTER_MS = 10;
const SHARED_AT_ONCE_MAX = 4_096;

/**
 * Which message ids were published lately by any gateway, so that a repeat of one is kept out of atomic batches. The
 * brokers refuse a whole batch because of one repeat.
 *
 *   published here ─▶ noted ─▶ after 10 ms a message with all fingerprints ─▶ noted by the other gateways
 *
 * Nothing here is ever believed. An id that is noted wrongly is published alone, which costs a little. One that is
 * missing costs a refused batch. So fingerprints may be lost, forged, or pushed out by newer ones.
 *
 * Three ways were considered. Asking the store before each batch costs a query even when nothing repeats. Asking the
 * brokers after a refusal costs a message for each event. Telling costs 8 bytes an event, and works before the store
 * has the event. The table is exact but for its fingerprints: a Bloom filter of its size could not forget.
 *
 * The subject lies below the prefix of the reply subjects, because a gateway may subscribe to nothing else. Between
 * accounts nothing of it passes.
 */
export class KnownIds {
  private readonly words = new Uint32Array(BUCKETS * WAYS * WORDS);
  private readonly news = new Uint32Array(SHARED_AT_ONCE_MAX * WORDS);
  private newsLength = 0;
  private timer: NodeJS.Timeout | undefined;
  private isShared = true;
  private readonly shareNow = (): void => {
    this.share();
  };

  /**
   * @param connection the gateway's own; it is not closed here
   * @param subject the same for all gateways of a stream
   */
  constructor(
    private readonly connection: NatsConnection,
    private readonly subject: string,
  ) {
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (!error) this.learn(message.data);
      },
    });
    void this.heedRefusals(connection.status());
  }

  /** Whether a message id, which has a digest, was probably published. */
  has(messageId: string): boolean {
    const [bucket, mark] = fingerprintOf(messageId);
    return this.isIn(bucket, mark);
  }

  /** Notes a message id, which has a digest, and soon tells the other gateways. */
  add(messageId: string): void {
    const [bucket, mark] = fingerprintOf(messageId);
    this.note(bucket, mark);
    if (!this.isShared) return;
    this.news[this.newsLength++] = bucket;
    this.news[this.newsLength++] = mark;
    if (this.newsLength === this.news.length) this.share();
    else this.timer ??= setTimeout(this.shareNow, SHARE_AFTER_MS).unref();
  }

  private learn(data: Uint8Array): void {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at + BYTES <= data.byteLength; at += BYTES) {
      this.note(view.getUint32(at, true), view.getUint32(at + BYTES / WORDS, true));
    }
  }

  private share(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const data = new Uint8Array(this.newsLength * Uint32Array.BYTES_PER_ELEMENT);
    const view = new DataView(data.buffer);
    for (let word = 0; word < this.newsLength; word += 1) {
      view.setUint32(word * Uint32Array.BYTES_PER_ELEMENT, this.news[word] ?? 0, true);
    }
    this.newsLength = 0;
    try {
      this.connection.publish(this.subject, data);
    } catch {
      // The connection is closed, and what is lost only costs.
    }
  }

  private isIn(bucket: number, mark: number): boolean {
    const start = startOf(bucket);
    for (let at = start; at < start + WAYS * WORDS; at += WORDS) {
      if (this.words[at] === bucket && this.words[at + 1] === mark) return true;
    }
    return false;
  }

  /** The newest comes first in its bucket, and pushes out the oldest. */
  private note(bucket: number, mark: number): void {
    if (this.isIn(bucket, mark)) return;
    const start = startOf(bucket);
    this.words.set(this.words.subarray(start, start + (WAYS - 1) * WORDS), start + WORDS);
    this.words[start] = bucket;
    this.words[start + 1] = mark;
  }

  /** Brokers with rights of their own may refuse the subject. Without this, they would log each message. */
  private async heedRefusals(statuses: AsyncIterable<Status>): Promise<void> {
    for await (const status of statuses) {
      if (status.type !== 'error' || !(status.error instanceof errors.PermissionViolationError)) continue;
      if (status.error.subject === this.subject) this.isShared = false;
    }
  }
}

function startOf(bucket: number): number {
  return (bucket % BUCKETS) * WAYS * WORDS;
}

/** Two independent numbers, of the two halves of the digest. */
function fingerprintOf(messageId: string): [bucket: number, mark: number] {
  const digest = digestIn(messageId);
  const half = digest.length >> 1;
  return [numberOf(digest, 0, half), numberOf(digest, half, digest.length)];
}

/** FNV-1a. */
function numberOf(text: string, from: number, to: number): number {
  let number = 0x811c9dc5;
  for (let at = from; at < to; at += 1) number = Math.imul(number ^ text.charCodeAt(at), 0x01000193);
  return number >>> 0;
}
