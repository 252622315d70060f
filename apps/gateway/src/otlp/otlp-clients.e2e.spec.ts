/** The exporters of the OpenTelemetry SDK for JavaScript, configured as the README says. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { findRepositoryRoot } from '#local-cluster';
import { codeBlocks, createTestSystem, readDocuments } from '#testing';
import { RunningGateway } from '../test/running-gateway.js';

const ROOT = findRepositoryRoot();
const run = promisify(execFile);

/** The lines of the README, for a gateway. */
function configured(url: string, exporter: string): string {
  const page = readDocuments(ROOT).find(({ path }) => path === 'apps/gateway/README.md');
  const block = page && codeBlocks(page).find(({ text }) => text.includes('OTLPLogExporter'));
  const placed = (block?.text ?? '').replace('http://127.0.0.1:8080', url).replaceAll('…', 'token');
  expect(placed).toContain(url);
  return placed.replace('exporter-logs-otlp-proto', exporter);
}

it.each(['exporter-logs-otlp-proto', 'exporter-logs-otlp-http'])(
  'the %s sends its records with the lines of the README',
  async (exporter) => {
    const system = await createTestSystem();
    const { gateway } = await RunningGateway.start(system.environment);
    const program = ['--input-type=module', '--eval', configured(gateway.url, exporter)];
    const { stdout, stderr } = await run(process.execPath, program, { cwd: ROOT });
    expect([stdout, stderr]).toEqual(['', '']);
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const message = await manager.streams.getMessage(system.streamName, { seq: 1 });
    const { topic, event_id, payload } = JSON.parse(message?.string() ?? '{}') as {
      topic: string;
      event_id: string;
      payload: { attributes: Record<string, unknown> };
    };
    expect(topic).toMatch(/^logs\.unknown_service/);
    expect(payload).toMatchObject({ severity_text: 'INFO', body: 'started', scope: { name: 'checkout' } });
    expect(payload.attributes).toEqual({ 'log.record.uid': event_id });
    expect((await manager.streams.info(system.streamName)).state.last_seq).toBe(1);
  },
);
