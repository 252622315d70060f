/** Where the brokers of a local system keep their streams: `<data>/nats-1/store`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The directory of a broker's stream data below the data directory of a system; undefined when it is not there. */
export function brokerStoreIn(data: string, name: string): string | undefined {
  const store = join(data, name, 'store');
  return existsSync(store) ? store : undefined;
}
