/**
 * Chooses the user that Postgres runs as. Postgres refuses root, so root starts it as the system user `postgres`, or
 * else `nobody`.
 *
 *   ordinary user ────────────────────────────▶ itself
 *   root ─ that user reaches both folders? yes ▶ that user
 *                                          no ▶ that user, with leave to enter closed folders (Linux, setpriv)
 *
 * The last case is a clone or data directory below a folder that only root may enter, such as /root. The process keeps
 * one capability, CAP_DAC_OVERRIDE, and nothing else of root. On other systems than Linux this case is an error.
 */
import { execFile } from 'node:child_process';
import { chownSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LocalClusterError } from './local-cluster-error.js';

const run = promisify(execFile);
const PROBE_TIMEOUT_MS = 10_000;
const CAPABILITY = '+dac_override';

/** A way to start a Postgres program. */
export interface PostgresAccount {
  /** The owner of the data; undefined for an ordinary user, who owns the files anyway. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** The command that starts a program with its arguments. */
  command(program: string, args: readonly string[]): AccountCommand;
}

/** A program with its arguments, and the user to start it as. */
export interface AccountCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly user?: { readonly uid: number; readonly gid: number };
}

/**
 * Chooses the account: one that can run `postgres` and enter `folder`, the parent of the data directory.
 * Throws `LocalClusterError` when there is none.
 */
export async function choosePostgresAccount(postgres: string, folder: string): Promise<PostgresAccount> {
  if (process.getuid?.() !== 0) return { command: (command, args) => ({ command, args }) };
  const owner = findSystemUser();
  const plain: PostgresAccount = { owner, command: (command, args) => ({ command, args, user: owner }) };
  if (await canRun(plain, postgres, folder)) return plain;
  const privileged: PostgresAccount = {
    owner,
    command: (command, args) => withCapability(owner, command, args),
  };
  if (process.platform === 'linux' && (await canRun(privileged, postgres, folder))) return privileged;
  throw new LocalClusterError(
    `Postgres does not run as root, and the user "${owner.name}" cannot reach ${postgres} or ${folder}: ` +
      'run sekali as an ordinary user, or keep the clone and the data where that user can enter (--data).',
  );
}

/** Gives a folder and its content to the owner, where they belong to another user. */
export function giveTo(owner: PostgresAccount['owner'], folder: string): void {
  if (owner === undefined || lstatSync(folder).uid === owner.uid) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) giveTo(owner, path);
    else if (entry.isFile()) chownSync(path, owner.uid, owner.gid);
  }
  chownSync(folder, owner.uid, owner.gid);
}

/** The user `postgres` (macOS: `_postgres`), or else `nobody`, from the text of /etc/passwd. */
export function findSystemUser(passwd = readFileSync('/etc/passwd', 'utf8')): {
  name: string;
  uid: number;
  gid: number;
} {
  const users = new Map(passwd.split('\n').map((line) => [line.split(':', 1)[0], line.split(':')]));
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const [, , uid, gid] = users.get(name) ?? [];
    // macOS writes the ids of `nobody` as -2.
    if (uid !== undefined && gid !== undefined)
      return { name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 };
  }
  throw new LocalClusterError(
    'Postgres does not run as root, and /etc/passwd has neither "postgres" nor "nobody": run sekali as an ordinary user.',
  );
}

function withCapability(
  owner: { uid: number; gid: number },
  program: string,
  args: readonly string[],
): AccountCommand {
  return {
    command: 'setpriv',
    args: [
      `--reuid=${owner.uid}`,
      `--regid=${owner.gid}`,
      '--clear-groups',
      '--no-new-privs',
      // Without it, access(2) ignores the capability, and initdb uses access(2) to find its programs.
      '--securebits=+no_setuid_fixup',
      `--inh-caps=${CAPABILITY}`,
      `--ambient-caps=${CAPABILITY}`,
      '--',
      program,
      ...args,
    ],
  };
}

/** Only a try can tell: permissions have too many sources (modes, access lists, mounts) to compute them. */
async function canRun(account: PostgresAccount, postgres: string, folder: string): Promise<boolean> {
  const { command, args, user } = account.command('/bin/sh', [
    '-c',
    'cd "$1" && exec "$2" --version',
    'sh',
    folder,
    postgres,
  ]);
  try {
    await run(command, [...args], { ...user, cwd: '/', timeout: PROBE_TIMEOUT_MS });
    return true;
  } catch {
    return false;
  }
}
