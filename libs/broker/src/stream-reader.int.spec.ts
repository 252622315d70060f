/** What is read of a stream: what there is as it is, what there is not as an answer. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { createTestSystem, type TestSystem } from '#testing';
import { isRefused } from './availability.js';
import { StreamReader } from './stream-reader.js';

let system: TestSystem;
let reader: StreamReader;

beforeAll(async () => {
  system = await createTestSystem();
  reader = await StreamReader.of(system.connection, 5_000);
  const client = jetstream(system.connection);
  const header = headers();
  header.set('Kind', 'first');
  await client.publish(`${system.subjectPrefix}.a`, 'one', { headers: header });
  await client.publish(`${system.subjectPrefix}.b`, 'two');
  await client.publish(`${system.subjectPrefix}.a`, 'three');
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  await manager.streams.deleteMessage(system.streamName, 2);
});

describe('a reader of streams', () => {
  it('gives a stream and a consumer, and the sequences that were deleted where they are asked for', async () => {
    const { streamName: stream, consumerName: name } = system;
    expect((await reader.stream(stream))?.state).toMatchObject({ first_seq: 1, last_seq: 3, num_deleted: 1 });
    expect((await reader.streamInDetail(stream)).state.deleted).toEqual([2]);
    expect(await reader.consumer({ stream, name })).toMatchObject({ name, num_pending: 2 });
  });

  it('gives a message with its headers', async () => {
    const message = await reader.message(system.streamName, 1);
    expect(message).toMatchObject({ seq: 1, subject: `${system.subjectPrefix}.a` });
    expect(Buffer.from(message?.data ?? []).toString()).toBe('one');
    expect([message?.header('Kind'), message?.header('Other')]).toEqual(['first', undefined]);
    expect(message?.publishedAt.getTime()).toBeLessThanOrEqual(Date.now());
  });

  it('finds the first message at or after a sequence whose subject matches', async () => {
    const { streamName: stream, subjectPrefix: prefix } = system;
    expect((await reader.messageFrom(stream, 2, `${prefix}.>`))?.seq).toBe(3);
    expect(await reader.messageFrom(stream, 2, `${prefix}.b`)).toBeUndefined();
  });

  it('answers with undefined where there is none', async () => {
    const { streamName: stream } = system;
    expect(await reader.stream('NOWHERE')).toBeUndefined();
    expect(await reader.consumer({ stream, name: 'nobody' })).toBeUndefined();
    expect(await reader.message(stream, 2)).toBeUndefined();
  });

  it('throws the refusal of the brokers for details of a stream that does not exist', async () => {
    const refusal: unknown = await reader.streamInDetail('NOWHERE').catch((error: unknown) => error);
    expect(refusal).toMatchObject({ message: expect.stringContaining('not found') as unknown });
    expect([isRefused(refusal), isRefused(new Error('timeout'))]).toEqual([true, false]);
  });
});
