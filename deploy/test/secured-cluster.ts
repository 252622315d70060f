/**
 * Three brokers as they are deployed, as processes on this machine: deploy/nats.conf unchanged, and secrets of `npm run
 * secrets`. The command line sets only ports, folders and addresses.
 */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brokerAddress, type BrokerAddress } from '#broker';
import { drawFreePorts, findNatsServer, findRepositoryRoot, ManagedProcess } from '#local-cluster';
import { waitFor } from '#testing';

const HEALTHY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

/** The NATS users of a deployment. */
export type NatsUser =
  'producer' | 'gateway' | 'worker' | 'setup' | 'amend' | 'monitoring' | 'recovery' | 'accounts' | 'system';

/** One broker. */
export interface SecuredBroker {
  readonly name: string;
  readonly port: number;
  readonly routePort: number;
  /** Names of the brokers to which it has routes. */
  readonly peers: () => Promise<string[]>;
  readonly log: () => string;
}

/** How a broker differs from the others. */
interface BrokerPlan {
  readonly name: string;
  /** The ports that it dials. */
  readonly routePorts: readonly number[];
  readonly routePort: number;
  /** Its certificate and key, without `.crt` and `.key`. */
  readonly certificate: string;
}

/** A running cluster, with the means to connect to it. */
export class SecuredCluster {
  /** The three brokers, once they run. */
  readonly brokers: SecuredBroker[] = [];
  private readonly processes: ManagedProcess[] = [];

  private constructor(
    private readonly folder: string,
    /** The folder of the secrets. */
    readonly secrets: string,
  ) {}

  /** Starts it; resolves when every broker has a route to every other. */
  static async start(): Promise<SecuredCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'sekali-secured-'));
    const cluster = new SecuredCluster(folder, await makeSecrets(join(folder, 'secrets')));
    try {
      await cluster.startBrokers();
      return cluster;
    } catch (error) {
      const logs = cluster.brokers.map((broker) => broker.log()).join('\n');
      await cluster.stop();
      throw new Error(`the brokers do not start:\n${logs}`, { cause: error });
    }
  }

  private async startBrokers(): Promise<void> {
    const routePorts = await drawFreePorts(3);
    for (const [index, routePort] of routePorts.entries()) {
      const name = `nats-${index + 1}`;
      this.brokers.push(
        await this.startBroker({ name, routePort, routePorts, certificate: join(this.secrets, name) }),
      );
    }
    for (const broker of this.brokers) {
      await waitFor(async () => (await broker.peers()).length === 2, {
        timeoutMs: HEALTHY_TIMEOUT_MS,
        describe: `${broker.name} to have both routes`,
      });
    }
  }

  /** The environment of a program that connects to the brokers as a user. */
  environmentOf(user: NatsUser): Record<string, string> {
    return {
      SEKALI_NATS_URLS: this.brokers.map(({ port }) => `tls://127.0.0.1:${port}`).join(','),
      SEKALI_NATS_DISCOVERY: 'false',
      SEKALI_NATS_CA_FILE: join(this.secrets, 'ca.crt'),
      SEKALI_NATS_NKEY_FILE: join(this.secrets, `nats-${user}.nkey`),
      SEKALI_NATS_REPLY_PREFIX: `_INBOX_${user}`,
      SEKALI_NATS_API_PREFIX: 'SEKALI.API',
    };
  }

  /** The same for a connection of the test itself. */
  addressOf(user: NatsUser): BrokerAddress {
    const settings = this.environmentOf(user) as unknown as Parameters<typeof brokerAddress>[0];
    return brokerAddress(settings, `test ${user}`);
  }

  /** Starts one broker, which dials the given ports. It is not announced to clients. */
  async startBroker(plan: BrokerPlan): Promise<SecuredBroker> {
    const folder = join(this.folder, plan.name);
    mkdirSync(join(folder, 'secrets'), { recursive: true });
    copyFileSync(join(findRepositoryRoot(), 'deploy/nats.conf'), join(folder, 'nats.conf'));
    for (const name of ['ca.crt', 'nats-users.conf']) {
      copyFileSync(join(this.secrets, name), join(folder, 'secrets', name));
    }
    copyFileSync(`${plan.certificate}.crt`, join(folder, 'secrets/nats.crt'));
    copyFileSync(`${plan.certificate}.key`, join(folder, 'secrets/nats.key'));
    const [port, monitorPort] = (await drawFreePorts(2)) as [number, number];
    const managed = new ManagedProcess({
      name: plan.name,
      command: findNatsServer(process.env['SEKALI_NATS_SERVER']),
      args: [
        ...['--config', 'nats.conf', '--addr', '127.0.0.1'],
        ...['--port', String(port), '--http_port', String(monitorPort)],
        ...['--cluster', routeUrl(plan.routePort), '--cluster_advertise', `127.0.0.1:${plan.routePort}`],
        ...['--routes', plan.routePorts.map(routeUrl).join(',')],
      ],
      environment: {
        ...process.env,
        NATS_NAME: plan.name,
        NATS_STORE_DIR: join(folder, 'data'),
        NATS_SYNC_INTERVAL: '"1s"',
        NATS_FILE_STORE_BYTES: '20000000000',
      },
      workingDirectory: folder,
      logFile: join(this.folder, `${plan.name}.log`),
    });
    this.processes.push(managed);
    await managed.start();
    return {
      name: plan.name,
      port,
      routePort: plan.routePort,
      peers: () => routesOf(monitorPort),
      log: () => readFileSync(managed.logFile, 'utf8'),
    };
  }

  /** Changes the text of nats-users.conf on every broker, which reloads it at once. */
  changeUsers(change: (text: string) => string): void {
    const users = change(readFileSync(join(this.secrets, 'nats-users.conf'), 'utf8'));
    for (const { name } of this.brokers) {
      const file = join(this.folder, name, 'secrets/nats-users.conf');
      rmSync(file);
      writeFileSync(file, users);
      this.processes.find((managed) => managed.name === name)?.kill('SIGHUP');
    }
  }

  /** Stops the brokers and removes their files. */
  async stop(): Promise<void> {
    await Promise.all(this.processes.map((managed) => managed.stop({ timeoutMs: STOP_TIMEOUT_MS })));
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Creates the secrets of a deployment, like a user. @returns the folder */
export async function makeSecrets(folder: string): Promise<string> {
  await promisify(execFile)(process.execPath, ['deploy/secrets.mjs', folder], { cwd: findRepositoryRoot() });
  return folder;
}

function routeUrl(port: number): string {
  return `nats-route://127.0.0.1:${port}`;
}

async function routesOf(monitorPort: number): Promise<string[]> {
  const answer = await fetch(`http://127.0.0.1:${monitorPort}/routez`);
  const { routes = [] } = (await answer.json()) as { routes?: { remote_name: string }[] };
  return [...new Set(routes.map((route) => route.remote_name))].sort();
}
