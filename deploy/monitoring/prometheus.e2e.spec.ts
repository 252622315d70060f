/**
 * A real Prometheus scrapes a system under `sekali simulate`, and answers every expression of rules and dashboard.
 *
 * It needs `prometheus` and `promtool` in the PATH, so `npm test` leaves it out: `npm run test:monitoring`.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { drawFreePorts, ManagedProcess } from '#local-cluster';
import { createTestSystem, startApp, type TestSystem, waitFor } from '#testing';
import { CERTIFICATE, CERTIFICATE_KEY } from '../../apps/gateway/src/test/certificate.js';
import { sekali } from '../test/command-line.js';
import { MONITORING, readAlerts, readPanels, selectorsOf } from '../test/monitoring-files.js';

const STARTS_MS_MAX = 60_000;
/** Grafana chooses it from the interval of the scrapes, which is one second here. */
const RATE_INTERVAL = '10s';

const run = promisify(execFile);
let system: TestSystem;
let prometheus: ManagedProcess;
let api: string;

beforeAll(async () => {
  system = await createTestSystem();
  const folder = mkdtempSync(join(tmpdir(), 'sekali-monitoring-'));
  const [worker = 0, gateway = 0, second = 0, server = 0] = await drawFreePorts(4);
  const at = (port: number): Record<string, string> => ({
    ...system.environment,
    SEKALI_METRICS_PORT: String(port),
  });
  await startApp('worker', at(worker));
  const app = await startApp('gateway', at(gateway));
  await startApp('gateway', { ...at(second), ...certificateIn(folder) });
  api = `http://127.0.0.1:${server}/api/v1`;
  prometheus = startPrometheus(folder, server, [worker, gateway, second]);
  await prometheus.start();
  await send(app.url);
}, 3 * STARTS_MS_MAX);

afterAll(async () => {
  await prometheus.stop({ timeoutMs: 10_000 });
});

/** A certificate for a gateway, as settings. */
function certificateIn(folder: string): Record<string, string> {
  const [certificateFile, keyFile] = [join(folder, 'gateway.crt'), join(folder, 'gateway.key')];
  writeFileSync(certificateFile, CERTIFICATE);
  writeFileSync(keyFile, CERTIFICATE_KEY);
  return { SEKALI_HTTP_TLS_CERT_FILE: certificateFile, SEKALI_HTTP_TLS_KEY_FILE: keyFile };
}

function startPrometheus(folder: string, port: number, targets: readonly number[]): ManagedProcess {
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [`${MONITORING}rules.yml`],
    scrape_configs: [
      { job_name: 'sekali', static_configs: [{ targets: targets.map((target) => `127.0.0.1:${target}`) }] },
    ],
  };
  // YAML is a superset of JSON.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  return new ManagedProcess({
    name: 'prometheus',
    command: 'prometheus',
    args: [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    environment: { PATH: process.env['PATH'] ?? '' },
    logFile: join(folder, 'prometheus.log'),
  });
}

/** Load, with one of everything that goes wrong: a dead letter, a conflict and a refusal. */
async function send(url: string): Promise<void> {
  const { connection, subjectPrefix, environment } = system;
  connection.publish(`${subjectPrefix}.orders`, 'no JSON');
  const refused = await fetch(`${url}/publish`, { method: 'POST', body: '{' });
  expect(refused.status).toBeGreaterThanOrEqual(400);
  const simulated = await sekali(
    { ...environment, SEKALI_GATEWAY_URL: url },
    ...['simulate', '--events', '2000', '--rate', '500'],
  );
  expect(simulated).toMatchObject({ code: 0 });
}

/** The number of series that an expression returns now. @throws the error of Prometheus */
async function seriesOf(expr: string): Promise<number> {
  const answer = await fetch(`${api}/query?query=${encodeURIComponent(expr)}`);
  const body = (await answer.json()) as { error?: string; data?: { result: unknown[] } };
  if (body.error !== undefined) throw new Error(`${expr}: ${body.error}`);
  return body.data?.result.length ?? 0;
}

async function expectSeries(expr: string): Promise<void> {
  await waitFor(async () => (await seriesOf(expr)) > 0, {
    timeoutMs: 30_000,
    intervalMs: 250,
    describe: `series of ${expr}`,
  });
}

describe('promtool', () => {
  it('accepts the rules and the configuration of Compose', async () => {
    const rules = await run('promtool', ['check', 'rules', 'rules.yml'], { cwd: MONITORING });
    expect(rules.stdout).toContain(`${readAlerts().length} rules found`);
    const config = ['check', 'config', '--syntax-only', 'prometheus.yml'];
    expect((await run('promtool', config, { cwd: MONITORING })).stdout).toContain('SUCCESS');
  });

  it('sees each alert fire when it should, and only then', async () => {
    const { stdout } = await run('promtool', ['test', 'rules', 'rules.test.yml'], { cwd: MONITORING });
    expect(stdout).toContain('SUCCESS');
  });
});

describe('on a system under load', () => {
  const panels = readPanels().flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ title, expr: expr.replaceAll('$__rate_interval', RATE_INTERVAL) })),
  );
  // An alert that does not fire returns nothing, so its parts are asked for.
  const parts = readAlerts().flatMap(({ alert, expr }) =>
    selectorsOf(expr).map(({ text }) => ({ alert, text })),
  );

  it.each(panels)('the panel $title shows series: $expr', async ({ expr }) => {
    await expectSeries(expr);
  });

  it.each(parts)('the alert $alert sees $text', async ({ text }) => {
    await expectSeries(text);
  });

  it('alerts of a dead letter, and of nothing else', async () => {
    system.connection.publish(`${system.subjectPrefix}.orders`, 'no JSON either');
    const firing = async (): Promise<string[]> => {
      const { data } = (await (await fetch(`${api}/alerts`)).json()) as {
        data: { alerts: { state: string; labels: { alertname: string } }[] };
      };
      return data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname);
    };
    await waitFor(async () => (await firing()).length > 0, {
      timeoutMs: 30_000,
      intervalMs: 250,
      describe: 'an alert to fire',
    });
    expect(await firing()).toEqual(['SekaliDeadLetters']);
  });
});
