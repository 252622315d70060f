/**
 * docker-compose.yml as a separate project, with its own secrets and free ports, next to anything else that runs.
 *
 * A container is killed through its process. `docker kill` does not suffice: Docker takes it for the operator's wish,
 * and does not start that container again.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findRepositoryRoot } from '#local-cluster';
import { waitFor } from '#testing';
import { makeSecrets } from './secured-cluster.js';

/** Services that end when their work is done. */
export const ONE_SHOTS: readonly string[] = ['roles', 'setup', 'accounts-setup'];

const OUTPUT_BYTES_MAX = 16 * 1024 ** 2;

/** The part of the output of `docker inspect` that the tests use. */
export interface Container {
  readonly Id: string;
  readonly Name: string;
  readonly RestartCount: number;
  readonly State: {
    readonly Status: string;
    readonly ExitCode: number;
    readonly Pid: number;
    readonly OOMKilled: boolean;
    readonly Health?: { readonly Status: string };
  };
  readonly Config: {
    readonly User: string;
    readonly Env: string[];
    readonly Labels: Record<string, string>;
  };
  readonly HostConfig: {
    readonly ReadonlyRootfs: boolean;
    readonly Privileged: boolean;
    readonly CapDrop: string[] | null;
    readonly CapAdd: string[] | null;
    readonly SecurityOpt: string[] | null;
    readonly Memory: number;
    readonly RestartPolicy: { readonly Name: string };
    readonly LogConfig: { readonly Type: string; readonly Config: Record<string, string> };
  };
  readonly NetworkSettings: {
    readonly Ports: Record<string, { readonly HostIp: string; readonly HostPort: string }[] | null>;
    readonly Networks: Record<string, unknown>;
  };
}

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly output: string;
}

/** A project, which the test has to `remove`. */
export class ComposedProject {
  private constructor(
    readonly name: string,
    private readonly folder: string,
    readonly secrets: string,
  ) {}

  /** Creates its secrets and starts nothing. */
  static async make(): Promise<ComposedProject> {
    const folder = mkdtempSync(join(tmpdir(), 'sekali-compose-'));
    const secrets = await makeSecrets(join(folder, 'secrets'));
    return new ComposedProject(`sekali-test-${randomBytes(3).toString('hex')}`, folder, secrets);
  }

  /** Runs `docker compose`, with the programs of the demo. Throws when that fails. */
  async compose(...args: string[]): Promise<string> {
    const ended = await this.tryCompose(args, { SEKALI_SECRETS: this.secrets });
    if (ended.code !== 0) {
      throw new Error(`docker compose ${args.join(' ')} ended with ${ended.code}:\n${ended.output}`);
    }
    return ended.output;
  }

  /** The same with another environment; `.env` of the clone is left out. */
  async tryCompose(args: readonly string[], environment: Record<string, string>): Promise<Ended> {
    const file = join(findRepositoryRoot(), 'docker-compose.yml');
    const project = ['compose', '--env-file', '/dev/null', '--profile', 'demo', '-p', this.name, '-f', file];
    return runDocker([...project, ...args], this.environment(environment));
  }

  private environment(more: Record<string, string>): NodeJS.ProcessEnv {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(?:SEKALI|COMPOSE)_/.test(name));
    return { ...Object.fromEntries(inherited), GATEWAY_1_PORT: '0', GATEWAY_2_PORT: '0', ...more };
  }

  /** Runs a script of deploy/ like a user, in the folder of docker-compose.yml. Throws when it fails. */
  async script(name: string, ...args: string[]): Promise<void> {
    const root = findRepositoryRoot();
    const environment = {
      ...this.environment({ SEKALI_SECRETS: this.secrets }),
      COMPOSE_PROJECT_NAME: this.name,
      COMPOSE_ENV_FILES: '/dev/null',
    };
    const { code, output } = await run(join(root, 'deploy', name), args, environment, root);
    if (code !== 0) throw new Error(`${name} ended with ${code}:\n${output}`);
  }

  /** A folder of the project, which `remove` deletes. */
  folderFor(name: string): string {
    return join(this.folder, name);
  }

  /** Every container, also those that have ended. */
  async containers(): Promise<Container[]> {
    const ids = (await this.compose('ps', '--all', '--quiet')).split('\n').filter(Boolean);
    const { output } = await runDocker(['inspect', ...ids]);
    return JSON.parse(output) as Container[];
  }

  /** The containers of one service. */
  async containersOf(service: string): Promise<Container[]> {
    return (await this.containers()).filter((container) => serviceOf(container) === service);
  }

  /** Ends the process of a container with SIGKILL, as a crash would; resolves when Docker has started it again. */
  async crash(service: string, timeoutMs: number): Promise<void> {
    const [victim] = await this.containersOf(service);
    if (victim === undefined) throw new Error(`there is no container of ${service}`);
    const script = `process.kill(${victim.State.Pid}, 'SIGKILL')`;
    const killed = await runDocker([
      ...['run', '--rm', '--pid', 'host', '--user', '0', '--network', 'none', '--no-healthcheck'],
      ...['sekali', 'node', '-e', script],
    ]);
    if (killed.code !== 0) throw new Error(`${victim.Name} could not be killed: ${killed.output}`);
    await waitFor(
      async () => {
        const again = (await this.containersOf(service)).find(({ Name }) => Name === victim.Name);
        return again?.RestartCount === victim.RestartCount + 1 && again.State.Pid !== victim.State.Pid;
      },
      { timeoutMs, intervalMs: 250, describe: `Docker to start ${victim.Name} again` },
    );
  }

  /** Resolves when every container that should run does, and is healthy if it has a health check. */
  async whole(timeoutMs: number): Promise<void> {
    await waitFor(
      async () => {
        const ill = (await this.containers()).filter((container) => !isWell(container));
        if (ill.length > 0)
          throw new Error(ill.map(({ Name, State }) => `${Name} ${State.Status}`).join(', '));
        return true;
      },
      { timeoutMs, intervalMs: 500, describe: 'every container to run and be healthy' },
    );
  }

  /** The URL of a gateway on this machine. */
  async gatewayUrl(service: string): Promise<string> {
    return `http://${(await this.compose('port', service, '8080')).trim()}`;
  }

  /** Stops and removes everything, including volumes and secrets. */
  async remove(): Promise<void> {
    await this.compose('down', '--volumes', '--timeout', '5');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Which service a container belongs to. */
export function serviceOf(container: Container): string {
  return container.Config.Labels['com.docker.compose.service'] ?? '';
}

/** Runs the docker client. A failure is a result, too. */
export async function runDocker(args: readonly string[], env = process.env): Promise<Ended> {
  return run('docker', args, env);
}

async function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd?: string,
): Promise<Ended> {
  try {
    const { stdout } = await promisify(execFile)(command, args, { env, cwd, maxBuffer: OUTPUT_BYTES_MAX });
    return { code: 0, output: stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    if (typeof code !== 'number') throw error;
    return { code, output: `${stdout}${stderr}` };
  }
}

function isWell({ State, Config }: Container): boolean {
  if (ONE_SHOTS.includes(Config.Labels['com.docker.compose.service'] ?? '')) {
    return State.Status === 'exited' && State.ExitCode === 0;
  }
  return State.Status === 'running' && (State.Health?.Status ?? 'healthy') === 'healthy';
}
