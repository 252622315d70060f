/** `npm run secrets`, run as a user runs it. */
import { execFile } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { findRepositoryRoot } from '#local-cluster';

const folders: string[] = [];
let folder: string;

beforeEach(() => {
  folder = newFolder();
});

afterAll(() => {
  for (const each of folders) rmSync(each, { recursive: true, force: true });
});

function newFolder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sekali-secrets-'));
  folders.push(made);
  return made;
}

/** Runs it. @returns its output; rejects when its exit code is not 0 */
async function makeSecrets(root = findRepositoryRoot(), args = [folder]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['deploy/secrets.mjs', ...args], {
    cwd: root,
  });
  return stdout;
}

async function refusal(): Promise<string> {
  return makeSecrets().then(
    () => 'none',
    (error: unknown) => (error as { stdout: string }).stdout,
  );
}

const read = (name: string): string => readFileSync(join(folder, name), 'utf8').trim();
const modeOf = (name: string): string => (statSync(join(folder, name)).mode & 0o777).toString(8);
const contents = (): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, read(name)]));

interface ApiKeyRecord {
  readonly key_id: string;
  readonly name: string;
  readonly scopes: string[];
  readonly topics: string[] | null;
  readonly hash: string;
}
const apiKeys = (): ApiKeyRecord[] => JSON.parse(read('api-keys.json')) as ApiKeyRecord[];

describe('the secrets', () => {
  it('are all that Compose mounts', async () => {
    await makeSecrets();
    const compose = readFileSync(join(findRepositoryRoot(), 'docker-compose.yml'), 'utf8');
    const mounted = [...compose.matchAll(/^ {4}file: \$\{SEKALI_SECRETS:\?[^}]*\}\/(.+)$/gm)].map(
      ([, name]) => name ?? '',
    );
    expect(mounted.length).toBeGreaterThan(15);
    expect(mounted.filter((name) => !existsSync(join(folder, name)))).toEqual([]);
    // The folder keeps other users out. The containers' users are others, and get single files of it.
    expect(modeOf('.')).toBe('700');
    expect(mounted.filter((name) => modeOf(name) !== '444')).toEqual([]);
    const kept = readdirSync(folder).filter((name) => modeOf(name) !== '444');
    expect(kept.sort()).toEqual([
      'api-key-admin',
      'api-key-producer',
      'api-key-reader',
      'ca.key',
      'nats-system.nkey',
    ]);
  });

  it('are never printed', async () => {
    const said = await makeSecrets();
    const secrets = Object.entries(contents()).filter(([name]) => !/\.(?:crt|conf|json)$/.test(name));
    expect(secrets.length).toBeGreaterThan(12);
    for (const [name, secret] of secrets) {
      expect(said).toContain(name);
      expect(said).not.toContain(secret);
    }
  });

  it('are left alone by a second run, which says so', async () => {
    await makeSecrets();
    const before = contents();
    expect(await makeSecrets()).toMatch(/^nothing to do/);
    expect(contents()).toEqual(before);
  });

  it('are another deployment each time', async () => {
    await makeSecrets();
    const first = contents();
    folder = newFolder();
    await makeSecrets();
    const second = contents();
    expect(Object.keys(second)).toEqual(Object.keys(first));
    expect(Object.keys(first).filter((name) => first[name] === second[name])).toEqual([]);
  });

  it('that are missing are made, with what follows from them, and nothing else is touched', async () => {
    await makeSecrets();
    const guest = {
      key_id: '0123456789abcdef',
      name: 'guest',
      scopes: ['read'],
      topics: null,
      hash: 'f'.repeat(64),
    };
    const records = apiKeys();
    rmSync(join(folder, 'api-keys.json'));
    writeFileSync(join(folder, 'api-keys.json'), JSON.stringify([...records, guest]));
    await makeSecrets();
    const before = contents();
    for (const name of ['nats-worker.nkey', 'nats-2.key', 'api-key-reader', 'postgres-password']) {
      rmSync(join(folder, name));
    }
    const said = await makeSecrets();
    const after = contents();
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(changed.sort()).toEqual(
      [
        'api-key-reader',
        'api-keys.json',
        'nats-2.crt',
        'nats-2.key',
        'nats-users.conf',
        'nats-worker.nkey',
        'postgres-password',
      ].sort(),
    );
    for (const name of changed) expect(said).toContain(name);
    expect(apiKeys()).toContainEqual(guest);
    expect(apiKeys().filter(({ name }) => name === 'reader')).toHaveLength(1);
  });
});

describe('an API key', () => {
  it('is known by its hash and may do what its name says', async () => {
    await makeSecrets();
    const allowed = {
      producer: { scopes: ['publish'], topics: null },
      reader: { scopes: ['read'], topics: null },
      admin: { scopes: ['publish', 'read', 'admin'], topics: null },
      demo: { scopes: ['publish', 'read'], topics: null },
    };
    expect(apiKeys()).toEqual(
      Object.entries(allowed).map(([name, rights]) => {
        const token = read(`api-key-${name}`);
        const [, id] = /^sekali_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/.exec(token) ?? [];
        const hash = createHash('sha256').update(token).digest('hex');
        return { key_id: id, name, ...rights, hash };
      }),
    );
  });
});

describe('a certificate', () => {
  const certificate = (name: string): X509Certificate => new X509Certificate(read(name));
  const SERVER = '1.3.6.1.5.5.7.3.1';
  const CLIENT = '1.3.6.1.5.5.7.3.2';

  it('of a broker is for both sides of a connection, that of Postgres for a server only', async () => {
    await makeSecrets();
    const authority = certificate('ca.crt');
    expect(authority.ca).toBe(true);
    for (const name of ['nats-1', 'nats-2', 'nats-3', 'postgres']) {
      const seen = certificate(`${name}.crt`);
      expect(seen.verify(authority.publicKey) && !seen.ca).toBe(true);
      expect(seen.checkHost(name)).toBeDefined();
      expect(seen.keyUsage).toEqual(name === 'postgres' ? [SERVER] : [SERVER, CLIENT]);
    }
    expect(certificate('nats-1.crt').checkHost('nats-2')).toBeUndefined();
  });

  it('cannot be issued without the key of the authority; the rest does not need it', async () => {
    await makeSecrets();
    rmSync(join(folder, 'ca.key'));
    expect(await makeSecrets()).toMatch(/^nothing to do/);
    rmSync(join(folder, 'nats-1.crt'));
    expect(await refusal()).toMatch(/nats-1\.crt cannot be issued without ca\.key/);
  });

  it('of an authority that is gone, or of another one, is not taken for ours', async () => {
    await makeSecrets();
    const authority = read('ca.crt');
    rmSync(join(folder, 'ca.crt'));
    expect(await refusal()).toMatch(/ca\.crt is missing/);
    writeFileSync(join(folder, 'ca.crt'), authority);
    const [ours, other] = [folder, newFolder()];
    folder = other;
    await makeSecrets();
    folder = ours;
    rmSync(join(ours, 'postgres.crt'));
    copyFileSync(join(other, 'postgres.crt'), join(ours, 'postgres.crt'));
    expect(await refusal()).toMatch(/postgres\.crt was not signed by ca\.crt/);
  });
});

describe('without a folder', () => {
  it('they go to deploy/secrets, and .env tells Compose so, once', async () => {
    const clone = folder;
    const files = ['secrets', 'secret-files', 'certificates'].map((name) => `deploy/${name}.mjs`);
    for (const file of [...files, 'apps/cli/bin/prepare.mjs', 'package.json', 'package-lock.json']) {
      mkdirSync(dirname(join(clone, file)), { recursive: true });
      copyFileSync(join(findRepositoryRoot(), file), join(clone, file));
    }
    symlinkSync(join(findRepositoryRoot(), 'node_modules'), join(clone, 'node_modules'));
    writeFileSync(join(clone, '.env'), 'SEKALI_LOG_LEVEL=warn');
    await makeSecrets(clone, []);
    await makeSecrets(clone, []);
    expect(readdirSync(join(clone, 'deploy/secrets'))).toContain('ca.crt');
    const lines = readFileSync(join(clone, '.env'), 'utf8').split('\n');
    expect(lines.filter((line) => line.startsWith('SEKALI_'))).toEqual([
      'SEKALI_LOG_LEVEL=warn',
      'SEKALI_SECRETS=./deploy/secrets',
    ]);
  });
});
