import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The directory of a broker's stream data below the data directory of a local system: `<data>/nats-1/store`. Undefined
 * when it does not exist.
 */
export function brokerStoreIn(data: string, name: string): string | undefined {
  const store = join(data, name, 'store');
  return existsSync(store) ? store : undefined;
}
