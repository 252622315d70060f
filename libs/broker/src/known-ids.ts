import { randomInt } from 'node:crypto';
import { errors, type NatsConnection, type Status } from '@nats-io/nats-core';
import { digestIn } from '#contracts';

/** Four fingerprints share a bucket. All buckets together have a million, in 8 MiB. */
const BUCKETS = 262_144;
const WAYS = 4;
/** Two numbers of 32 bits: the bucket, and what is compared in it. */
const WORDS = 2;
const WORD_BYTES = Uint32Array.BYTES_PER_ELEMENT;
/** A client that turns to another gateway takes longer than that. */
const SHARE_AFTER_MS = 10;
const SHARED_AT_ONCE_MAX = 4_096;
const GREET_EVERY_MS = 1_000;
/** A gateway that stays silent for longer is gone. */
const SILENT_MS_MAX = 3_500;

/**
 * Which message ids other gateways published lately, so that a repeat of one is kept out of atomic batches. The brokers
 * refuse a whole batch because of one repeat.
 *
 *   published here ─▶ 10 ms later a message with all fingerprints ─▶ noted by the other gateways
 *
 * Nothing here is ever believed. An id that is noted wrongly is published alone, which costs a little. One that is
 * missing costs a refused batch. So fingerprints may be lost, forged, or pushed out by newer ones.
 *
 * Three ways were considered. Asking the store before each batch costs a query even when nothing repeats. Asking the
 * brokers after a refusal costs a message for each event. Sharing costs 8 bytes an event, and works before the store
 * has the event. A gateway that hears no other one shares nothing, so a single gateway pays nothing.
 *
 * The subject lies below the prefix of the reply subjects, because a gateway may subscribe to nothing else. Between
 * accounts nothing of it passes.
 */
export class KnownIds {
  private readonly self = randomInt(1, 2 ** 32);
  private readonly words = new Uint32Array(BUCKETS * WAYS * WORDS);
  private readonly news: number[] = [];
  private timer: NodeJS.Timeout | undefined;
  private readonly greetings: NodeJS.Timeout;
  private othersUntilMs = 0;
  private hasNotes = false;
  private isAllowed = true;

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
    this.greetings = setInterval(this.share, GREET_EVERY_MS).unref();
    this.share();
    void this.watch(connection.status());
  }

  /** Whether a message id, which has a digest, was probably published by another gateway. */
  has(messageId: string): boolean {
    if (!this.hasNotes) return false;
    const [bucket, mark] = fingerprintOf(messageId);
    return this.isIn(bucket, mark);
  }

  /** Tells the other gateways soon that this one has published a message id, which has a digest. */
  add(messageId: string): void {
    if (performance.now() > this.othersUntilMs) return;
    this.news.push(...fingerprintOf(messageId));
    if (this.news.length >= SHARED_AT_ONCE_MAX * WORDS) this.share();
    else this.timer ??= setTimeout(this.share, SHARE_AFTER_MS).unref();
  }

  /** A message without fingerprints only says that this gateway is there. */
  private readonly share = (): void => {
    clearTimeout(this.timer);
    this.timer = undefined;
    const words = [this.self, ...this.news.splice(0)];
    if (!this.isAllowed) return;
    const view = new DataView(new ArrayBuffer(words.length * WORD_BYTES));
    for (const [index, word] of words.entries()) view.setUint32(index * WORD_BYTES, word);
    try {
      this.connection.publish(this.subject, new Uint8Array(view.buffer));
    } catch {
      // The connection is being closed, and what is lost only costs.
    }
  };

  /** It must not throw, whatever the bytes are: the client would end the connection. */
  private learn(data: Uint8Array): void {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    if (data.byteLength < WORD_BYTES || view.getUint32(0) === this.self) return;
    this.othersUntilMs = performance.now() + SILENT_MS_MAX;
    for (let at = WORD_BYTES; at + WORDS * WORD_BYTES <= data.byteLength; at += WORDS * WORD_BYTES) {
      this.note(view.getUint32(at), view.getUint32(at + WORD_BYTES));
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
    this.hasNotes = true;
    if (this.isIn(bucket, mark)) return;
    const start = startOf(bucket);
    this.words.set(this.words.subarray(start, start + (WAYS - 1) * WORDS), start + WORDS);
    this.words[start] = bucket;
    this.words[start + 1] = mark;
  }

  /** Brokers with rights of their own may refuse the subject, and would log each message. Ends with the connection. */
  private async watch(statuses: AsyncIterable<Status>): Promise<void> {
    for await (const status of statuses) {
      if (status.type !== 'error' || !(status.error instanceof errors.PermissionViolationError)) continue;
      if (status.error.subject === this.subject) this.isAllowed = false;
    }
    clearInterval(this.greetings);
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
