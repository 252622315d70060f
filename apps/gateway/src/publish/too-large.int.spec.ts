/**
 * Events that are within the gateway's bound, and larger than the stream takes. They would be refused for ever, so no
 * door has its clients send them again.
 */
import 'reflect-metadata';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { createTestSystem } from '#testing';
import { event, problemOf, published, RunningGateway, type Answered } from '../test/running-gateway.js';

const MESSAGE_BYTES_MAX = 1_000;
const LARGE = 'x'.repeat(2_000);

let gateway: RunningGateway;

beforeAll(async () => {
  const system = await createTestSystem();
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  await manager.streams.update(system.streamName, { max_msg_size: MESSAGE_BYTES_MAX });
  gateway = await RunningGateway.start(system.environment);
});

async function send(path: string, body: string, type = 'application/json'): Promise<Answered> {
  return gateway.get(path, { method: 'POST', headers: { 'content-type': type }, body });
}

describe('an event that the brokers never take', () => {
  it('is 413 for POST /publish, and its neighbours are published', async () => {
    const large = event('large', { payload: { x: LARGE } });
    const alone = await gateway.publish(large);
    const among = await gateway.publish([event('a'), large, event('b')]);
    for (const answer of [alone, among]) {
      expect(problemOf(answer)).toMatchObject({ status: 413, type: 'urn:sekali:problem:too-large' });
      expect(answer.headers.get('retry-after')).toBeNull();
    }
    expect(published(among).results.map(({ status }) => status)).toEqual([
      'accepted',
      'unavailable',
      'accepted',
    ]);
  });

  it('is an invalid line among lines, and those after it are read', async () => {
    const lines = [event('c'), event('large', { payload: { x: LARGE } }), event('d')];
    const text = lines.map((line) => JSON.stringify(line)).join('\n');
    const answer = await send('/publish', text, 'application/x-ndjson');
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([
      202,
      {
        accepted: 2,
        invalid: 1,
        unavailable: 0,
        rejected: [{ index: 1, event_id: 'large', status: 'invalid' }],
      },
    ]);
  });

  it('is 413 for its item of a bulk request', async () => {
    const documents = [{ x: 1 }, { x: LARGE }].map(
      (document, n) => `{"create":{"_id":"bulk-${n}"}}\n${JSON.stringify(document)}\n`,
    );
    const { text } = await send('/orders/_bulk', documents.join(''));
    const { items } = JSON.parse(text) as { items: { create: { status: number } }[] };
    expect(items.map(({ create }) => create.status)).toEqual([201, 413]);
  });

  it('is a rejected log record, and one that the clients of Loki drop', async () => {
    const record = (value: string): object => ({ timeUnixNano: '1', body: { stringValue: value } });
    const logs = { resourceLogs: [{ scopeLogs: [{ logRecords: [record('small'), record(LARGE)] }] }] };
    const answer = await send('/v1/logs', JSON.stringify(logs));
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([
      200,
      { partialSuccess: { rejectedLogRecords: '1' } },
    ]);
    const push = {
      streams: [
        {
          stream: { app: 'x' },
          values: [
            ['1', LARGE],
            ['2', 'small'],
          ],
        },
      ],
    };
    expect((await send('/loki/api/v1/push', JSON.stringify(push))).status).toBe(400);
  });
});
