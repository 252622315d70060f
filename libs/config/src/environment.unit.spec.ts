import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  readAccountsSettings,
  readClientSettings,
  readGatewaySettings,
  readLocalClusterSettings,
  readSetupSettings,
  readWorkerSettings,
  SettingsError,
  systemEnvironment,
  type Environment,
} from './environment.js';
import {
  accountsFields,
  clientFields,
  connectionFields,
  gatewayFields,
  localClusterFields,
  setupFields,
  streamFields,
  workerFields,
} from './settings.js';

const READERS = {
  setup: readSetupSettings,
  gateway: readGatewaySettings,
  worker: readWorkerSettings,
  accounts: readAccountsSettings,
  client: readClientSettings,
  'local cluster': readLocalClusterSettings,
};

function problemsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

const gatewayProblems = (environment: Environment): readonly string[] =>
  problemsOf(() => readGatewaySettings(environment));
const workerProblems = (environment: Environment): readonly string[] =>
  problemsOf(() => readWorkerSettings(environment));

describe.each(Object.entries(READERS))('the settings of %s', (_, read) => {
  it('have a default for everything', () => {
    expect(problemsOf(() => read({}))).toEqual([]);
  });

  it('are frozen', () => {
    expect(Object.isFrozen(read({}))).toBe(true);
  });

  it('do not include other variables of the environment', () => {
    expect(
      Object.keys(read({ PATH: '/bin', SEKALI_OTHER: 'x' })).filter((name) => /PATH|OTHER/.test(name)),
    ).toEqual([]);
  });
});

describe('settings', () => {
  it('are read as numbers where they are numbers', () => {
    const settings = readWorkerSettings({ SEKALI_BATCH_SIZE: '250', SEKALI_STREAM: 'OTHER' });
    expect(settings.SEKALI_BATCH_SIZE).toBe(250);
    expect(settings.SEKALI_STREAM).toBe('OTHER');
  });

  it.each(['', ' ', '\t'])('that are blank (%j) are not set', (blank) => {
    const settings = readGatewaySettings({ SEKALI_HTTP_PORT: blank, SEKALI_NATS_URLS: blank });
    expect(settings).toEqual(readGatewaySettings({}));
  });

  it.each([
    ['SEKALI_BATCH_SIZE', '0'],
    ['SEKALI_BATCH_SIZE', '5001'],
    ['SEKALI_BATCH_SIZE', '1.5'],
    ['SEKALI_BATCH_SIZE', 'many'],
    ['SEKALI_STREAM_REPLICAS', '6'],
    ['SEKALI_STREAM', 'with space'],
    ['SEKALI_SUBJECT_PREFIX', 'a.b'],
    ['SEKALI_LOG_LEVEL', 'loud'],
    ['SEKALI_NATS_URLS', 'foo bar'],
    ['SEKALI_NATS_URLS', 'http://127.0.0.1:4222'],
    ['SEKALI_NATS_URLS', 'nats://one:4222,,nats://two:4222'],
    ['SEKALI_NATS_REPLY_PREFIX', '_INBOX.>'],
    ['SEKALI_POSTGRES_URL', 'mysql://localhost/sekali'],
  ])('are refused by name: %s=%s', (name, value) => {
    expect(workerProblems({ [name]: value })).toEqual([expect.stringMatching(`^${name}: .`)]);
  });

  it.each([
    ['SEKALI_NATS_URLS', 'nats://user:secret@one:4222, two:4222,tls://[::1]:4222,three'],
    ['SEKALI_POSTGRES_URL', 'postgresql://user:secret@[::1]:5432/db?sslmode=require'],
  ])('may be written in any form the clients take: %s=%s', (name, value) => {
    expect(workerProblems({ [name]: value })).toEqual([]);
  });

  it.each([
    ['SEKALI_HTTP_CORS_ORIGINS', '*'],
    ['SEKALI_HTTP_CORS_ORIGINS', 'https://a.example/'],
    ['SEKALI_HTTP_CORS_ORIGINS', 'https://a.example,'],
    ['SEKALI_HTTP_TRUST_PROXY', 'true'],
    ['SEKALI_HTTP_TRUST_PROXY', '10.0.0.0/33'],
    ['SEKALI_HTTP_TRUST_PROXY', 'proxy.example'],
    ['SEKALI_HTTP_KEYS_ON_LOOPBACK', 'yes'],
    ['SEKALI_HTTP_REQUESTS_PER_SECOND_MAX', '-1'],
  ])('of the gateway are refused by name: %s=%s', (name, value) => {
    expect(gatewayProblems({ [name]: value })).toEqual([expect.stringMatching(`^${name}: .`)]);
  });

  it.each([
    ['SEKALI_HTTP_CORS_ORIGINS', 'https://a.example, http://localhost:3000'],
    ['SEKALI_HTTP_TRUST_PROXY', '10.0.0.0/8, ::1, fd00::/8, loopback'],
    ['SEKALI_HTTP_REQUESTS_PER_SECOND_MAX', '0'],
  ])('of the gateway may be written so: %s=%s', (name, value) => {
    expect(gatewayProblems({ [name]: value })).toEqual([]);
  });

  it('that are wrong are all reported at once, relations among them', () => {
    const problems = workerProblems({
      SEKALI_LOG_LEVEL: 'loud',
      SEKALI_STREAM: '',
      SEKALI_SUBJECT_PREFIX: 'a.b',
      SEKALI_ATTEMPTS_MAX: '0',
      SEKALI_PREFETCH: '10',
      SEKALI_ACK_PENDING_MAX: '5',
    });
    expect(problems.map((problem) => problem.split(':', 1)[0]).sort()).toEqual([
      'SEKALI_ACK_PENDING_MAX',
      'SEKALI_ATTEMPTS_MAX',
      'SEKALI_LOG_LEVEL',
      'SEKALI_PREFETCH',
      'SEKALI_SUBJECT_PREFIX',
    ]);
  });

  it('that are wrong make a message with one line per problem', () => {
    const error = new SettingsError(['A: b', 'C: d']);
    expect(error.message).toBe('Wrong settings:\n  A: b\n  C: d');
  });
});

describe('a secret in a file', () => {
  let folder: string;
  let file: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sekali-settings-'));
    file = join(folder, 'password');
    writeFileSync(file, 'p@ss/w:rd% é\n');
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it.each(
    Object.keys(READERS).filter((reader) => reader !== 'local cluster') as Exclude<
      keyof typeof READERS,
      'local cluster'
    >[],
  )('becomes the password of the database for %s', (reader) => {
    const settings = READERS[reader]({
      SEKALI_POSTGRES_URL: 'postgres://me@db:5432/sekali?sslmode=require',
      SEKALI_POSTGRES_PASSWORD_FILE: file,
    });
    const url = new URL(settings.SEKALI_POSTGRES_URL);
    expect(decodeURIComponent(url.password)).toBe('p@ss/w:rd% é');
    url.password = '';
    expect(url.href).toBe('postgres://me@db:5432/sekali?sslmode=require');
  });

  it('does not replace a password that stands in the URL', () => {
    const address = 'postgres://me:mine@db:5432/sekali';
    const settings = readWorkerSettings({
      SEKALI_POSTGRES_URL: address,
      SEKALI_POSTGRES_PASSWORD_FILE: file,
    });
    expect(settings.SEKALI_POSTGRES_URL).toBe(address);
  });

  it.each([
    'SEKALI_POSTGRES_PASSWORD_FILE',
    'SEKALI_POSTGRES_CA_FILE',
    'SEKALI_NATS_NKEY_FILE',
    'SEKALI_NATS_CA_FILE',
  ])('must be readable: %s', (name) => {
    expect(workerProblems({ [name]: file })).toEqual([]);
    const missing = join(folder, 'missing');
    expect(workerProblems({ [name]: missing })).toEqual([`${name}: ${missing} cannot be read (ENOENT)`]);
  });

  it('of the database’s authority has every connection verified', () => {
    const settings = readWorkerSettings({
      SEKALI_POSTGRES_URL: 'postgres://me@db:5432/sekali?application_name=x',
      SEKALI_POSTGRES_PASSWORD_FILE: file,
      SEKALI_POSTGRES_CA_FILE: file,
    });
    const { searchParams, password } = new URL(settings.SEKALI_POSTGRES_URL);
    expect(Object.fromEntries(searchParams)).toEqual({
      application_name: 'x',
      sslmode: 'verify-full',
      sslrootcert: file,
    });
    expect(password).not.toBe('');
  });

  it.each(['sslmode=disable', 'sslmode=require', 'sslmode=no-verify', 'ssl=false'])(
    'of the database’s authority cannot be weakened by the URL: %s',
    (query) => {
      const environment = {
        SEKALI_POSTGRES_URL: `postgres://me@db:5432/sekali?${query}`,
        SEKALI_POSTGRES_CA_FILE: file,
      };
      expect(workerProblems(environment)).toEqual([
        expect.stringMatching(
          /^SEKALI_POSTGRES_URL: with SEKALI_POSTGRES_CA_FILE every connection is verified/,
        ),
      ]);
    },
  );
});

describe('relations between settings', () => {
  it.each([
    ['SEKALI_PREFETCH', { SEKALI_PREFETCH: '1999' }, { SEKALI_PREFETCH: '2000' }],
    [
      'SEKALI_ACK_PENDING_MAX',
      { SEKALI_PREFETCH: '3000', SEKALI_ACK_PENDING_MAX: '2999' },
      { SEKALI_PREFETCH: '3000', SEKALI_ACK_PENDING_MAX: '3000' },
    ],
  ])('bound %s', (name, wrong: Environment, right: Environment) => {
    expect(workerProblems(wrong)).toEqual([expect.stringMatching(`^${name}: must be`)]);
    expect(workerProblems(right)).toEqual([]);
  });

  it('keep ids at least as long as payloads and messages', () => {
    const days = (SEKALI_RETENTION_IDS_DAYS: string, SEKALI_RETENTION?: string, seconds = '60') =>
      problemsOf(() =>
        readSetupSettings({
          ...{ SEKALI_RETENTION_IDS_DAYS, SEKALI_RETENTION, SEKALI_STREAM_AGE_SECONDS_MAX: seconds },
        }),
      );
    const refused = [expect.stringMatching('^SEKALI_RETENTION_IDS_DAYS: must be at least')];
    expect(days('90', 'logs.>=7d, >=90d')).toEqual([]);
    expect(days('89', 'logs.>=7d, >=90d')).toEqual(refused);
    expect(days('89', 'logs.>=90d,>=7d')).toEqual(refused);
    // No topic is left for the second rule.
    expect(days('89', '>=7d,logs.>=90d')).toEqual([]);
    for (const rules of [undefined, 'logs.>=7d', 'logs.>=forever,>=7d', '>=forever'])
      expect(days('36500', rules)).toEqual(refused);
    expect(days('7', '>=7d', '604800')).toEqual([]);
    expect(days('7', '>=7d', '604801')).toEqual(refused);
    expect(days('x', '>=y')).toHaveLength(2);
  });

  it('bind a certificate to its key', () => {
    const expected = [expect.stringMatching('^SEKALI_HTTP_TLS_CERT_FILE: ')];
    expect(gatewayProblems({ SEKALI_HTTP_TLS_CERT_FILE: 'a' })).toEqual(expected);
    expect(gatewayProblems({ SEKALI_HTTP_TLS_KEY_FILE: 'a' })).toEqual(expected);
    expect(gatewayProblems({ SEKALI_HTTP_TLS_CERT_FILE: 'a', SEKALI_HTTP_TLS_KEY_FILE: 'b' })).toEqual([]);
  });

  it('do not ask for keys and for none', () => {
    const open = { SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS: 'true' };
    expect(gatewayProblems(open)).toEqual([]);
    expect(gatewayProblems({ ...open, SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' })).toHaveLength(1);
  });

  it('are not judged while a side of them is wrong by itself', () => {
    expect(workerProblems({ SEKALI_BATCH_SIZE: 'x', SEKALI_PREFETCH: '1' })).toEqual([
      expect.stringMatching('^SEKALI_BATCH_SIZE: '),
    ]);
  });
});

describe('every setting', () => {
  const groups = {
    connectionFields,
    setupFields,
    streamFields,
    gatewayFields,
    workerFields,
    accountsFields,
    localClusterFields,
    clientFields,
  };
  const all = Object.values(groups).flatMap((group) =>
    Object.entries<{ description?: string | undefined }>(group),
  );

  it.each(all)('%s says what it is for', (name, field) => {
    expect(name).toMatch(/^SEKALI_[A-Z_]+$/);
    expect(field.description).toMatch(/\w/);
  });
});

describe('a mistyped setting', () => {
  it('is refused with the one that is meant, together with the other problems', () => {
    expect(workerProblems({ SEKALI_NATS_URL: 'nats://x:1', SEKALI_LOG_LEVEL: 'loud' })).toEqual([
      expect.stringMatching('^SEKALI_LOG_LEVEL: '),
      'SEKALI_NATS_URL: there is no such setting; did you mean SEKALI_NATS_URLS?',
    ]);
    expect(
      workerProblems({ SEKALI_HTTP_PORT: '1', SEKALI_SECRETS: 'x', SEKALI_SOMETHING_ELSE: 'x' }),
    ).toEqual([]);
  });
});

describe('systemEnvironment', () => {
  it('is the environment of this process', () => {
    expect(systemEnvironment()['PATH']).toBe(process.env['PATH']);
  });
});
