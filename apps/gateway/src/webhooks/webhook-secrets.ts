import type { WebhookSecret } from '#contracts';
import { RepeatedReading } from '../keys/repeated-reading.js';
import { SignatureVerifier } from './signature.js';

/** Options of the secrets. */
export interface WebhookSecretsOptions {
  /** Reads every active secret. */
  readonly read: () => Promise<readonly WebhookSecret[]>;
  /** Called when reading fails, once per outage. */
  readonly onOutage: (error: unknown) => void;
}

/**
 * Holds the secrets of webhooks in memory, so that a stranger's request costs no query.
 *
 * A new or revoked secret takes effect within three seconds, while the database answers. Without the database, the last
 * known secrets stay in force.
 */
export class WebhookSecrets {
  private byTopic: ReadonlyMap<string, readonly SignatureVerifier[]> | undefined;
  private readonly reading: RepeatedReading<readonly WebhookSecret[]>;

  constructor({ read, onOutage }: WebhookSecretsOptions) {
    this.reading = new RepeatedReading({
      read,
      onOutage,
      take: (secrets) => {
        this.byTopic = verifiersByTopic(secrets);
      },
      onRefused: onOutage,
    });
  }

  /** Whether the secrets have been read. */
  get isKnown(): boolean {
    return this.byTopic !== undefined;
  }

  /** Reads the secrets, and again every second until `close`. It resolves after the first try. */
  async open(): Promise<void> {
    await this.reading.open();
  }

  /** What verifies the deliveries to a topic; empty for a topic without secrets. */
  of(topic: string): readonly SignatureVerifier[] {
    return this.byTopic?.get(topic) ?? [];
  }

  /** Stops reading. */
  close(): void {
    this.reading.close();
  }
}

function verifiersByTopic(secrets: readonly WebhookSecret[]): Map<string, SignatureVerifier[]> {
  const byTopic = new Map<string, SignatureVerifier[]>();
  for (const secret of secrets) {
    const verifier = new SignatureVerifier(secret);
    byTopic.set(secret.topic, [...(byTopic.get(secret.topic) ?? []), verifier]);
  }
  return byTopic;
}
