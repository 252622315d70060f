/**
 * Before the tests: one three-node cluster and one Postgres, for the whole run.
 *
 * They are left out when only unit tests are to run. libs/local-cluster comes from `dist`, as jest translates
 * nothing here; `npm test` builds first. The addresses reach the tests in SEKALI_TEST_SERVERS.
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the teardown finds what the setup started. */
export const RUN = Symbol.for('sekali.test-run');

export default async function globalSetup({ rootDir, testPathPatterns }) {
  if (!needsServers(rootDir, testPathPatterns)) return;
  if (!existsSync(join(rootDir, 'dist/libs/local-cluster/src/index.js'))) {
    throw new Error(
      'libs/local-cluster is not built: run "npm run build", or "npm test", which does so itself.',
    );
  }
  const { startBrokers, startPostgres } = await import('#local-cluster');
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'sekali-tests-'));
  // Postgres runs as another user when root runs the tests.
  chmodSync(folder, 0o755);
  const guardian = startGuardian(folder);
  process.env.TMPDIR = folder;
  const started = await Promise.allSettled([
    // Many tests each reserve some for a stream and use little of it: not bound by what the disk has free.
    startBrokers({ dataDirectory: join(folder, 'brokers'), maxFileStoreBytes: 10 * 1024 ** 3 }),
    startPostgres({
      dataDirectory: join(folder, 'postgres'),
      settings: { fsync: 'off', full_page_writes: 'off', max_connections: '300' },
    }),
  ]);
  const servers = started.filter(({ status }) => status === 'fulfilled').map(({ value }) => value);
  globalThis[RUN] = { folder, guardian, servers };
  const failed = started.find(({ status }) => status === 'rejected');
  if (failed) {
    await Promise.all(servers.map((server) => server.stop()));
    throw failed.reason;
  }
  const [brokers, postgres] = servers;
  process.env.SEKALI_TEST_SERVERS = JSON.stringify({ natsUrls: brokers.urls, postgresUrl: postgres.url });
}

function needsServers(rootDir, testPathPatterns) {
  const isMatch = testPathPatterns.toExecutor({ rootDir });
  return ['apps', 'deploy', 'libs'].some((part) =>
    readdirSync(join(rootDir, part), { recursive: true })
      .map((path) => join(rootDir, part, path))
      .some((path) => /\.(?:int|e2e)\.spec\.ts$/.test(path) && (!isMatch.isSet() || isMatch.isMatch(path))),
  );
}

/** Sees to it that nothing stays behind when jest is killed, and its workers with it. */
function startGuardian(folder) {
  const script = fileURLToPath(new URL('guardian.mjs', import.meta.url));
  const guardian = spawn(process.execPath, [script, folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: { PATH: process.env.PATH },
  });
  guardian.unref();
  guardian.stdin.unref();
  return guardian;
}
