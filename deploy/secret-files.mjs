/**
 * The secrets of a deployment as files: created once, completed when some are missing, never overwritten or printed.
 *
 * To replace one, delete its file and run this again. Files that derive from others (the list of public keys, the
 * hashes of API keys) are updated. The folder is closed to other users. Inside, any user can read the files that a
 * container mounts, because Compose mounts a file with the owner and mode that it has here.
 */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createUser, fromSeed } from '@nats-io/nkeys';
import { inspectCertificate, issueCertificate, makeAuthority } from './certificates.mjs';

const MOUNTED = 0o444;
const KEPT = 0o400;
const DAYS_LEFT_MIN = 60;

/** One for each role of the database; `postgres-password` belongs to setup, which owns the database. */
const PASSWORDS = [
  'postgres-superuser-password',
  'postgres-password',
  ...['gateway', 'worker', 'reader', 'recovery', 'accounts'].map((program) => `postgres-${program}-password`),
];
const NATS_USERS = [
  ...['producer', 'gateway', 'worker', 'setup', 'amend', 'monitoring', 'recovery', 'accounts'],
  'system',
];
const API_KEYS = [
  { name: 'producer', scopes: ['publish'], topics: null, mode: KEPT },
  { name: 'reader', scopes: ['read'], topics: null, mode: KEPT },
  { name: 'admin', scopes: ['publish', 'read', 'admin'], topics: null, mode: KEPT },
  // The producers of the demo compare their events with the figures, which other producers need not see.
  { name: 'demo', scopes: ['publish', 'read'], topics: null, mode: MOUNTED },
];
const CERTIFICATES = [
  ...['nats-1', 'nats-2', 'nats-3'].map((name) => ({
    name,
    use: 'peer',
    hosts: [name, 'localhost', '127.0.0.1'],
  })),
  { name: 'postgres', use: 'server', hosts: ['postgres', 'localhost', '127.0.0.1'] },
];

/** What is wrong, in one line for the user. */
export class SecretsError extends Error {}

/**
 * Creates what is missing.
 *
 * @param {string} directory the target; created when missing
 * @returns {Promise<{made: string[], warnings: string[]}>} names of files, no contents
 * @throws {SecretsError} when an existing file does not fit the rest
 */
export async function completeSecrets(directory) {
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o700);
  const folder = new SecretFolder(directory);
  for (const name of PASSWORDS) folder.makeIfMissing(name, () => randomToken(24), MOUNTED);
  for (const user of NATS_USERS) {
    const mode = user === 'system' ? KEPT : MOUNTED;
    folder.makeIfMissing(`nats-${user}.nkey`, () => Buffer.from(createUser().getSeed()).toString(), mode);
  }
  folder.keepCurrent('nats-users.conf', publicKeys(folder));
  for (const { name, mode } of API_KEYS) folder.makeIfMissing(`api-key-${name}`, apiKey, mode);
  folder.keepCurrent('api-keys.json', apiKeyRecords(folder));
  const warnings = await completeCertificates(folder);
  return { made: folder.made, warnings };
}

class SecretFolder {
  made = [];

  constructor(path) {
    this.path = path;
  }

  has(name) {
    return existsSync(join(this.path, name));
  }

  read(name) {
    return readFileSync(join(this.path, name), 'utf8').trim();
  }

  makeIfMissing(name, make, mode) {
    if (!this.has(name)) this.write(name, `${make()}\n`, mode);
  }

  /** For a file that holds no secret and derives from others. */
  keepCurrent(name, content) {
    if (!this.has(name) || this.read(name) !== content.trim()) this.write(name, content, MOUNTED);
  }

  /** The file is written in one step, so that an interrupted run leaves no half of a secret. */
  write(name, content, mode) {
    const path = join(this.path, name);
    const unfinished = `${path}.unfinished`;
    writeFileSync(unfinished, content, { mode: 0o600 });
    chmodSync(unfinished, mode);
    renameSync(unfinished, path);
    this.made.push(name);
  }
}

/** Variables of nats.conf with the public keys of the users, which are not secret. */
function publicKeys(folder) {
  const lines = NATS_USERS.map((user) => {
    const seed = Buffer.from(folder.read(`nats-${user}.nkey`));
    return `${user.toUpperCase()}_NKEY: ${fromSeed(seed).getPublicKey()}`;
  });
  return ['# Written by "npm run secrets" from the nats-*.nkey in this folder.', ...lines, ''].join('\n');
}

/** The key list that `setup` imports, with a hash for each key. Records of others in the file stay unchanged. */
function apiKeyRecords(folder) {
  const present = folder.has('api-keys.json') ? JSON.parse(folder.read('api-keys.json')) : [];
  const ours = API_KEYS.map(({ name, scopes, topics }) => {
    const token = folder.read(`api-key-${name}`);
    const hash = createHash('sha256').update(token).digest('hex');
    return (
      present.find((record) => record.hash === hash) ?? {
        key_id: token.split('_')[1],
        name,
        scopes,
        topics,
        hash,
      }
    );
  });
  const names = new Set(API_KEYS.map(({ name }) => name));
  return `${JSON.stringify([...ours, ...present.filter((record) => !names.has(record.name))], null, 2)}\n`;
}

async function completeCertificates(folder) {
  if (!folder.has('ca.crt')) {
    const orphans = CERTIFICATES.filter(({ name }) => folder.has(`${name}.crt`)).map(
      ({ name }) => `${name}.crt`,
    );
    if (orphans.length > 0) {
      throw new SecretsError(
        `ca.crt is missing, and ${orphans.join(', ')} were signed by it: put it back, or delete them all`,
      );
    }
    const authority = await makeAuthority();
    folder.write('ca.key', authority.key, KEPT);
    folder.write('ca.crt', authority.certificate, MOUNTED);
  }
  const warnings = [];
  for (const holder of CERTIFICATES) {
    await completeCertificate(folder, holder);
    const { isOurs, daysLeft } = inspectCertificate(folder.read('ca.crt'), folder.read(`${holder.name}.crt`));
    if (!isOurs)
      throw new SecretsError(`${holder.name}.crt was not signed by ca.crt: delete it and run this again`);
    if (daysLeft < DAYS_LEFT_MIN) {
      warnings.push(
        `${holder.name}.crt ends in ${daysLeft} days: delete it, run this again and restart ${holder.name}`,
      );
    }
  }
  return warnings;
}

/** A key without its certificate, or the reverse, is useless, so both are created again. */
async function completeCertificate(folder, holder) {
  const { name } = holder;
  if (folder.has(`${name}.crt`) && folder.has(`${name}.key`)) return;
  if (!folder.has('ca.key')) {
    throw new SecretsError(
      `${name}.crt cannot be issued without ca.key: put it back for as long as this runs`,
    );
  }
  const authority = { certificate: folder.read('ca.crt'), key: folder.read('ca.key') };
  const issued = await issueCertificate(authority, holder);
  folder.write(`${name}.key`, issued.key, MOUNTED);
  folder.write(`${name}.crt`, issued.certificate, MOUNTED);
}

function apiKey() {
  return `sekali_${randomBytes(8).toString('hex')}_${randomToken(32)}`;
}

/** @param {number} bytes of randomness; the text is base64url */
function randomToken(bytes) {
  return randomBytes(bytes).toString('base64url');
}
