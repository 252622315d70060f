import { hash, timingSafeEqual } from 'node:crypto';
import { apiKeyIdOf, type ApiKeyEntry } from '#contracts';
import { pause } from '#waiting';
import type { Access } from './access.js';

/** The database answers, and there is no key in it. */
export class NoKeyError extends Error {
  override readonly name = 'NoKeyError';

  constructor() {
    super(
      'there is no active API key, so nobody could use this gateway. Make one with ' +
        '"sekali keys create --name NAME --scopes publish,read", or let setup add some from SEKALI_API_KEYS_FILE, ' +
        'and start it again. On 127.0.0.1 a gateway needs none.',
    );
  }
}

/** How a ring is kept. */
export interface KeyRingOptions {
  /** Reads every active key. */
  readonly read: () => Promise<readonly ApiKeyEntry[]>;
  /** Told when reading fails, once for each outage. */
  readonly onOutage: (error: unknown) => void;
  /** Told when the first answer comes late and holds no key. */
  readonly onNoKey: (error: NoKeyError) => void;
}

interface RingKey {
  readonly access: Access;
  readonly hash: Buffer;
}

/** From one reading to the next; with the bound of a reading it makes the three seconds. */
const READ_EVERY_MS = 1_000;

/**
 * The keys of the database, in memory, so that a request costs no query.
 *
 *   unknown ─first answer─▶ known ─every second─▶ known
 *      └─ no key in it ─▶ given up (NoKeyError): a gateway that nobody can use says so
 *
 * Promise: a key that is made or revoked is taken or refused within three seconds, while the database answers. While it
 * does not, the keys known last stay in force: an outage of the database must not stop publishing, and nobody can
 * revoke anything in it either. Before the first answer nobody is let in.
 */
export class KeyRing {
  private keys: ReadonlyMap<string, RingKey> | undefined;
  private readonly ended = new AbortController();
  private isOut = false;

  constructor(private readonly options: KeyRingOptions) {}

  /** Whether the keys have been read. */
  get isKnown(): boolean {
    return this.keys !== undefined;
  }

  /**
   * Reads the keys, and again every second until `close`. Resolves after the first try, whether or not it was answered.
   *
   * @throws NoKeyError when it was, with no key
   */
  async open(): Promise<void> {
    await this.readKeys();
    void this.keepReading();
  }

  /** What the holder of a token may do; `undefined` when it is no key's, or not any more. */
  find(token: string): Access | undefined {
    const key = this.keys?.get(apiKeyIdOf(token) ?? '');
    if (key === undefined) return undefined;
    // Hashed at each request, a microsecond, rather than remembered: no plain token stays in memory.
    return timingSafeEqual(hash('sha256', token, 'buffer'), key.hash) ? key.access : undefined;
  }

  /** Ends the reading. */
  close(): void {
    this.ended.abort();
  }

  private async keepReading(): Promise<void> {
    const { signal } = this.ended;
    for (;;) {
      await pause(READ_EVERY_MS, signal);
      if (signal.aborted) return;
      await this.readKeys().catch((error: unknown) => {
        this.options.onNoKey(error as NoKeyError);
      });
    }
  }

  private async readKeys(): Promise<void> {
    let entries: readonly ApiKeyEntry[];
    try {
      entries = await this.options.read();
    } catch (error) {
      if (!this.isOut) this.options.onOutage(error);
      this.isOut = true;
      return;
    }
    this.isOut = false;
    // Later, when the last key has been revoked, the gateway stays: refusing everybody is then what was asked for.
    if (entries.length === 0 && this.keys === undefined) throw new NoKeyError();
    this.keys = new Map(entries.map((entry) => [entry.key_id, ringKey(entry)]));
  }
}

function ringKey({ key_id, scopes, topics, hash: text }: ApiKeyEntry): RingKey {
  return { access: { keyId: key_id, scopes, topics }, hash: Buffer.from(text, 'hex') };
}
