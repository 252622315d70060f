/**
 * The applications that the judge starts itself, and the links between them and the rest.
 *
 *   gateway-p1 ──gateway-broker──▶ brokers     worker-p1 ──worker-broker──▶ brokers     worker-p2 ──▶ brokers
 *              └─gateway-postgres▶ Postgres              └─worker-postgres▶ Postgres              └─▶ Postgres
 */
import { join } from 'node:path';
import { drawFreePort } from './free-port.js';
import { OwnProcess } from './own-process.js';
import { TcpLink } from './tcp-link.js';
import type { LinkName } from './target.js';
import type { UpReady } from './up-process.js';

/** A JavaScript file and its arguments. */
export interface Program {
  readonly program: string;
  readonly args?: readonly string[];
}

/** What they need. */
export interface ApplicationOptions {
  readonly where: Pick<UpReady, 'nats' | 'postgres'>;
  readonly gateway: Program;
  readonly worker: Program;
  /** The environment variables that each inherits; the addresses of the other parts are added. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logFolder: string;
}

/** The applications, not started yet, and their links, which already pass connections. */
export interface ProxiedApplications {
  readonly links: readonly TcpLink[];
  readonly processes: readonly OwnProcess[];
  /** The URL of gateway-p1, which stays the same through every restart. */
  readonly gatewayUrl: string;
}

/** Creates them. */
export async function makeApplications(options: ApplicationOptions): Promise<ProxiedApplications> {
  const { where, gateway, worker, environment, logFolder } = options;
  const through = async (role: 'gateway' | 'worker') => {
    const broker = await TcpLink.start(`${role}-broker` satisfies LinkName, where.nats);
    const postgres = await TcpLink.start(`${role}-postgres` satisfies LinkName, [where.postgres]);
    const addresses = {
      SEKALI_NATS_URLS: broker.urls.join(','),
      SEKALI_POSTGRES_URL: postgres.urls[0],
      // The brokers would send each other's true addresses, which lead past the proxy.
      SEKALI_NATS_DISCOVERY: 'false',
    };
    return { links: [broker.link, postgres.link], addresses };
  };
  const [ofGateway, ofWorker, port] = await Promise.all([
    through('gateway'),
    through('worker'),
    drawFreePort(),
  ]);
  const direct = { SEKALI_NATS_URLS: where.nats.join(','), SEKALI_POSTGRES_URL: where.postgres };
  const make = (
    name: string,
    role: 'gateway' | 'worker',
    what: Program,
    own: Record<string, string | undefined>,
  ) =>
    new OwnProcess({
      name,
      role,
      ...what,
      environment: { ...environment, ...own },
      logFile: join(logFolder, `${name}.log`),
    });
  const http = { SEKALI_HTTP_HOST: '127.0.0.1', SEKALI_HTTP_PORT: String(port) };
  return {
    links: [...ofGateway.links, ...ofWorker.links],
    processes: [
      make('gateway-p1', 'gateway', gateway, { ...ofGateway.addresses, ...http }),
      make('worker-p1', 'worker', worker, ofWorker.addresses),
      make('worker-p2', 'worker', worker, direct),
    ],
    gatewayUrl: `http://127.0.0.1:${port}`,
  };
}
