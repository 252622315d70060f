/**
 * The commands that a document may ask its reader to type, and how each is checked.
 *
 * Commands of this system run for real, against a system that `npm start` runs. What would take hours, or needs Docker,
 * is read by the real program, or compared with what exists: scripts, services, files. A command that none of these
 * knows has no check, and the test that lists them fails.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findRepositoryRoot } from '#local-cluster';

const root = findRepositoryRoot();
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** A command that is wrong. The message says why. */
export class WrongCommandError extends Error {
  override readonly name = 'WrongCommandError';
}

function demand(isRight: boolean, message: string): void {
  if (!isRight) throw new WrongCommandError(message);
}

/** A request that `curl` would send. */
export interface Request {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** Reads the arguments of `curl`, of which documents use few. */
export function readCurl(args: readonly string[]): Request {
  const headers: Record<string, string> = {};
  const urls: string[] = [];
  let body: string | undefined;
  for (let index = 0; index < args.length; index++) {
    const word = args[index] ?? '';
    if (word === '-H') {
      const [, name = '', value = ''] = /^([\w-]+): (.+)$/.exec(args[++index] ?? '') ?? [];
      demand(name !== '', `${args[index] ?? ''} is not a header`);
      headers[name] = value;
    } else if (word === '-d') body = args[++index];
    else if (word.startsWith('-')) throw new WrongCommandError(`${word} is an option that is not known`);
    else urls.push(word);
  }
  demand(urls.length === 1, `${urls.length} addresses instead of one`);
  return { url: urls[0] ?? '', headers, body };
}

/**
 * `npm run NAME`, `npm test`: the script exists, its arguments lead somewhere, and the variables set for it are read.
 */
export function checkScript(
  name: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): void {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  demand(name in scripts, `package.json has no script ${name}`);
  const isSlow = name === 'test:slow';
  const specs = specFiles().filter((path) => path.includes('.slow.') === isSlow);
  demand(name === 'test' || isSlow || args.length === 0, `npm run ${name} takes no arguments here`);
  const patterns = args;
  const chosen = specs.filter((path) => patterns.some((pattern) => new RegExp(pattern).test(path)));
  for (const pattern of patterns) {
    demand(!pattern.startsWith('-'), `${pattern} is an option that is not known`);
    demand(
      specs.some((path) => new RegExp(pattern).test(path)),
      `no test is in ${pattern}`,
    );
  }
  for (const variable of Object.keys(environment)) {
    const readers = chosen.filter((path) => read(path).includes(`process.env['${variable}']`));
    demand(readers.length > 0, `nothing that is run reads ${variable}`);
  }
}

/** `npm run secrets`: without an argument, or with the folder to write to. */
export function checkSecrets(args: readonly string[]): void {
  checkScript('secrets', [], {});
  demand(
    args.length <= 1 && args.every((arg) => !arg.startsWith('-')),
    `${args.join(' ')} is not one folder`,
  );
}

/** Checks that packages exist as the tests use them. @param given names with a version each, and options */
export function checkPackages(given: readonly string[]): void {
  for (const one of given.filter((word) => !word.startsWith('-'))) {
    const at = one.lastIndexOf('@');
    const { version } = JSON.parse(read(`node_modules/${one.slice(0, at)}/package.json`)) as {
      version: string;
    };
    demand(version === one.slice(at + 1), `${one} is ${version} in the tests`);
  }
}

function specFiles(): string[] {
  return ['apps', 'libs', 'deploy'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.spec.ts') && !path.includes('node_modules'))
      .map((path) => `${folder}/${path}`),
  );
}

/** A script of deploy/: it can be run, and its own usage has each argument. */
export function checkDeployScript(path: string, args: readonly string[]): void {
  demand(existsSync(join(root, path)), `there is no ${path}`);
  demand((statSync(join(root, path)).mode & 0o111) !== 0, `${path} cannot be run`);
  const usage = /usage: (deploy\/[^"]+)"/.exec(read(path))?.[1]?.replaceAll(/[[\]]/g, '').split(' ') ?? [
    path,
  ];
  for (const arg of args) demand(usage.includes(arg), `the usage of ${path} has no ${arg}`);
}

const COMPOSE_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  up: ['--build', '--wait', '-d', '--no-deps', '--force-recreate', '--scale'],
  run: ['--rm'],
  build: ['--pull'],
  exec: ['-T'],
  rm: ['-sf'],
  down: [],
  restart: [],
};

/**
 * `docker compose …`: the services and the profile are those of docker-compose.yml, and the options are known.
 *
 * @returns what is run in a container, when that is a program of ours
 */
export function checkCompose(args: readonly string[]): readonly string[] {
  const rest = [...args];
  if (rest[0] === '--profile') {
    demand(
      read('docker-compose.yml').includes(`profiles: [${rest[1] ?? ''}]`),
      `no profile ${rest[1] ?? ''}`,
    );
    rest.splice(0, 2);
  }
  const action = rest.shift() ?? '';
  const known = COMPOSE_OPTIONS[action];
  if (known === undefined) throw new WrongCommandError(`docker compose ${action} is not known`);
  const services: string[] = [];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    demand(!word.startsWith('-') || known.includes(word), `docker compose ${action} has no ${word} here`);
    if (word === '--scale') services.push(rest.shift()?.split('=')[0] ?? '');
    else if (!word.startsWith('-')) services.push(word);
    if (services.length > 0 && ['run', 'exec'].includes(action)) break;
  }
  for (const service of services)
    demand(composeServices().includes(service), `there is no service ${service}`);
  return rest;
}

/** The names of the services: lines below `services:` that begin with two blanks. */
function composeServices(): string[] {
  const part = /^services:\n([^]*?)^\S/m.exec(read('docker-compose.yml'))?.[1] ?? '';
  return [...part.matchAll(/^ {2}([a-z0-9-]+):/gm)].map(([, name = '']) => name);
}

/** A volume that docker-compose.yml has, by the name that Docker gives it. */
export function checkVolume(name: string): void {
  const project = /^name: (\S+)$/m.exec(read('docker-compose.yml'))?.[1] ?? '';
  const volumes = /^volumes:\n((?: {2}\S+:\n)+)/m.exec(read('docker-compose.yml'))?.[1] ?? '';
  const names = [...volumes.matchAll(/^ {2}(\S+):$/gm)].map(([, volume = '']) => `${project}_${volume}`);
  demand(names.includes(name), `there is no volume ${name}`);
}

/** An image that is the default of docker-compose.yml. */
export function checkImage(name: string): void {
  demand(read('docker-compose.yml').includes(`:-${name}}`), `docker-compose.yml does not use ${name}`);
}

/** A line for `.env`: `.env.example` has the variable, and docker-compose.yml reads it. */
export function checkEnvLine(line: string, file: string): void {
  const [name = ''] = line.split('=', 1);
  demand(file === '>>.env' && line.includes('='), `${line} ${file} is not a line for .env`);
  demand(read('.env.example').includes(`#${name}=`), `.env.example has no ${name}`);
  demand(read('docker-compose.yml').includes(`\${${name}:-`), `docker-compose.yml does not read ${name}`);
}
