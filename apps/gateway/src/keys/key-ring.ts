import { hash, timingSafeEqual } from 'node:crypto';
import { apiKeyIdOf, type ApiKeyEntry } from '#contracts';
import type { Access } from './access.js';
import { RepeatedReading } from './repeated-reading.js';

/** The database answers, but contains no key. */
export class NoKeyError extends Error {
  override readonly name = 'NoKeyError';

  constructor() {
    super(
      'there is no active API key, so no client could use this gateway. Create one with ' +
        '"sekali keys create --name NAME --scopes publish,read", or let setup add some from SEKALI_API_KEYS_FILE, ' +
        'and start it again. On 127.0.0.1 a gateway needs none.',
    );
  }
}

/** Options of a key ring. */
export interface KeyRingOptions {
  /** Reads every active key. */
  readonly read: () => Promise<readonly ApiKeyEntry[]>;
  /** Called when reading fails, once per outage. */
  readonly onOutage: (error: unknown) => void;
  /** Called when the first answer comes late and contains no key. */
  readonly onNoKey: (error: NoKeyError) => void;
}

interface RingKey {
  readonly access: Access;
  readonly hash: Buffer;
}

/**
 * Holds the keys of the database in memory, so that a request costs no query.
 *
 *   unknown ─first answer─▶ known ─every second─▶ known
 *      └─ it has no key ─▶ given up (NoKeyError): no client could use this gateway
 *
 * A new or revoked key takes effect within three seconds, while the database answers. Without the database, the last
 * known keys stay in force. An outage of the database must not stop publishing, and no key can be revoked in it either.
 * Before the first answer no client is admitted.
 */
export class KeyRing {
  private keys: ReadonlyMap<string, RingKey> | undefined;
  private readonly reading: RepeatedReading<readonly ApiKeyEntry[]>;

  constructor({ read, onOutage, onNoKey }: KeyRingOptions) {
    this.reading = new RepeatedReading({
      read,
      take: (entries) => {
        this.take(entries);
      },
      onOutage,
      onRefused: (error) => {
        onNoKey(error as NoKeyError);
      },
    });
  }

  /** Whether the keys have been read. */
  get isKnown(): boolean {
    return this.keys !== undefined;
  }

  /**
   * Reads the keys, and again every second until `close`. It resolves after the first try, whether or not it was
   * answered.
   *
   * @throws NoKeyError when the answer contains no key
   */
  async open(): Promise<void> {
    await this.reading.open();
  }

  /** The rights of a token's holder; `undefined` when the token belongs to no active key. */
  find(token: string): Access | undefined {
    const key = this.keys?.get(apiKeyIdOf(token) ?? '');
    if (key === undefined) return undefined;
    // Each request hashes the token, which takes a microsecond. So no plain token stays in memory.
    return timingSafeEqual(hash('sha256', token, 'buffer'), key.hash) ? key.access : undefined;
  }

  /** Stops reading. */
  close(): void {
    this.reading.close();
  }

  private take(entries: readonly ApiKeyEntry[]): void {
    // If the last key is revoked later, the gateway keeps running. It then refuses all clients, as requested.
    if (entries.length === 0 && this.keys === undefined) throw new NoKeyError();
    this.keys = new Map(entries.map((entry) => [entry.key_id, ringKey(entry)]));
  }
}

function ringKey({ key_id, name, scopes, topics, defaults, hash: text }: ApiKeyEntry): RingKey {
  const access = {
    keyId: key_id,
    keyName: name,
    scopes,
    topics,
    ...(defaults !== undefined && { defaults }),
  };
  return { access, hash: Buffer.from(text, 'hex') };
}
