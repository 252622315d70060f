/** Defaults of API keys, for clients that can send only JSON of their own. Older gateways do not read them. */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const UP = `
ALTER TABLE sekali.api_key
  ADD COLUMN defaults jsonb,
  ADD CONSTRAINT api_key_defaults CHECK (jsonb_typeof(defaults) = 'object');
COMMENT ON COLUMN sekali.api_key.defaults IS 'What records of the key do not say themselves: topic, source, id_field, time_field; null where every line has to be an event';
`;

/** Adds `defaults` to `sekali.api_key`. */
export class KeyDefaults1732530010000 implements MigrationInterface {
  readonly name = 'KeyDefaults1732530010000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward, because going back would lose the defaults. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
