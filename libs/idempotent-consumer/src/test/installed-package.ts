/** A project that has installed the tarball of the library, and nothing else of this repository. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../../../..');
const PACKAGE = join(ROOT, 'libs/idempotent-consumer');

/** The name of the package. */
export const PACKAGE_NAME = '@sekali/idempotent-consumer';
/** What a project without Nest installs next to the library, and what these need for their types. */
export const PEERS = [
  '@nats-io/jetstream',
  '@nats-io/nats-core',
  '@nats-io/transport-node',
  '@opentelemetry/api',
  '@types/node',
  '@types/pg',
  'pg',
] as const;
/** What a project of Nest has in addition. */
export const NEST_PEERS = [
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/microservices',
  'reflect-metadata',
  'rxjs',
] as const;

/** What `npm pack` says of a tarball. */
interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** The tarball, in a folder of its own. */
export class Tarball {
  private constructor(
    readonly folder: string,
    /** The paths of the files that it holds. */
    readonly paths: readonly string[],
    private readonly file: string,
  ) {}

  /** Builds and packs the library. */
  static pack(): Tarball {
    const folder = mkdtempSync(join(tmpdir(), 'sekali-package-'));
    const output = run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], PACKAGE);
    const [packed] = JSON.parse(output) as [Packed];
    const file = packed.filename.replace('@', '').replace('/', '-');
    const paths = packed.files.map(({ path }) => path);
    return new Tarball(folder, paths, join(folder, file));
  }

  /**
   * Installs it in a project. The peers are links to what is installed here, so that no registry is asked.
   */
  install(project: string, peers: readonly string[]): InstalledPackage {
    const folder = join(this.folder, project);
    mkdirSync(folder);
    const manifest = { name: project, private: true, type: 'module' };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    run(
      'npm',
      ['install', '--offline', '--legacy-peer-deps', '--ignore-scripts', '--silent', this.file],
      folder,
    );
    for (const peer of peers) {
      const link = join(folder, 'node_modules', peer);
      mkdirSync(dirname(link), { recursive: true });
      if (!existsSync(link)) symlinkSync(join(ROOT, 'node_modules', peer), link, 'junction');
    }
    return new InstalledPackage(folder);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One project. */
export class InstalledPackage {
  private service: ChildProcess | undefined;

  constructor(private readonly folder: string) {}

  /** The manifest of the library, as it was installed. */
  manifest(): Readonly<Record<string, unknown>> {
    const path = join(this.folder, 'node_modules', PACKAGE_NAME, 'package.json');
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  }

  /**
   * Compiles a file of the project, strictly, and checks the declarations of its libraries as well.
   *
   * @param more further options of the compiler
   * @returns what the compiler prints: nothing when all is right
   */
  compile(file: string, text: string, more: object = {}): string {
    writeFileSync(join(this.folder, file), text);
    const options = {
      ...{ target: 'es2023', module: 'nodenext', strict: true, skipLibCheck: false, noEmit: true },
      ...{ experimentalDecorators: true, emitDecoratorMetadata: true, types: ['node'] },
      ...more,
    };
    const config = JSON.stringify({ compilerOptions: options, files: [file] });
    writeFileSync(join(this.folder, 'tsconfig.json'), config);
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const args = [compiler, '-p', '.'];
    return spawnSync(process.execPath, args, { cwd: this.folder, encoding: 'utf8' }).stdout;
  }

  /** Starts a program of the project. */
  start(file: string, environment: Readonly<Record<string, string>>): void {
    this.service = spawn(process.execPath, [file], { cwd: this.folder, env: environment, stdio: 'inherit' });
  }

  /** Kills the program that runs, if one does, and waits for its end. */
  async kill(): Promise<void> {
    const { service } = this;
    if (service?.exitCode !== null || service.signalCode !== null) return;
    service.kill('SIGKILL');
    await once(service, 'exit');
  }
}

/** Runs a program to its end. @returns what it printed; it throws with all of that when the program failed */
function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (error || status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? status}\n${stdout}\n${stderr}`);
  return stdout;
}
