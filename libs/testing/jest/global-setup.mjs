/**
 * Starts one three-node cluster and one Postgres before the tests, for the whole run.
 *
 * A run of unit tests only starts neither. libs/local-cluster comes from `dist`, because jest translates nothing here;
 * `npm test` builds first. The tests get the addresses in SEKALI_TEST_SERVERS.
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The key under which the teardown finds what the setup started. */
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
    // Many tests each reserve some bytes for a stream and use few of them, so the free disk space does not bound this.
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

/** Makes sure that no process stays behind when jest and its workers are killed. */
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
