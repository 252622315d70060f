import type { Pool } from 'pg';
import type { GatewaySettings } from '#config';
import { errorText, type Logger } from '#observability';
import { createPool } from '#postgres';
import { activeApiKeys, activeWebhookSecrets } from '#store';
import { withTimeout } from '#waiting';
import { WebhookSecrets } from '../webhooks/webhook-secrets.js';
import { doorOf } from './door.js';
import { KeyRing, type NoKeyError } from './key-ring.js';

const KEYS_MS_MAX = 2_000;

/**
 * What proves who a client is: the API keys, and the secrets of webhooks.
 *
 * They have their own connection, because a revocation must not wait behind large pages.
 */
export class Credentials {
  /** `undefined` where keys are not required. */
  readonly ring: KeyRing | undefined;
  /** The secrets of webhooks, also where keys are not required. */
  readonly webhookSecrets: WebhookSecrets;
  private readonly pool: Pool;

  /** @param onNoKey called when keys are required, and the first answer comes late and contains none */
  constructor(settings: GatewaySettings, logger: Logger, onNoKey: (error: NoKeyError) => void) {
    const pool = createPool({
      url: settings.SEKALI_POSTGRES_URL,
      name: 'sekali-gateway-keys',
      connectionsMax: 1,
      transactionMsMax: KEYS_MS_MAX,
    });
    this.pool = pool;
    const onOutage =
      (what: string) =>
      (error: unknown): void => {
        logger.warn({ error: errorText(error) }, `${what} cannot be read yet`);
      };
    const keys = {
      read: () => withTimeout(KEYS_MS_MAX, activeApiKeys(pool)),
      onOutage: onOutage('the API keys'),
      onNoKey,
    };
    this.ring = doorOf(settings) === 'open' ? undefined : new KeyRing(keys);
    this.webhookSecrets = new WebhookSecrets({
      read: () => withTimeout(KEYS_MS_MAX, activeWebhookSecrets(pool)),
      onOutage: onOutage('the secrets of webhooks'),
    });
  }

  /**
   * Resolves when the keys were asked for. Deliveries are refused with 503 until the secrets are known.
   *
   * @throws NoKeyError when keys are required, and there is none
   */
  async open(): Promise<void> {
    await this.ring?.open().catch(async (error: unknown) => {
      await this.close();
      throw error;
    });
    void this.webhookSecrets.open();
  }

  /** Stops reading, and closes the connection. */
  async close(): Promise<void> {
    this.ring?.close();
    this.webhookSecrets.close();
    await this.pool.end();
  }
}
