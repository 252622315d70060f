import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createTestSystem, waitFor } from '#testing';
import { dial, endOf, hasRoomForBody, rawAnswer, readUntil } from '../test/raw-socket.js';
import { event, problemOf, RunningGateway } from '../test/running-gateway.js';

/** A gateway takes this much in one request, but does not have room for two of them. */
const ANNOUNCED_BYTES = 16_777_216;

const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** Starts a request of `ANNOUNCED_BYTES` and sends the first `sent` of them. */
async function begin({ gateway }: RunningGateway, sent: number): Promise<Socket> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  socket.write(
    `POST /publish HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${ANNOUNCED_BYTES}\r\n\r\n`,
  );
  await new Promise((resolve) => socket.write(Buffer.alloc(sent, ' '), resolve));
  return socket;
}

/** About a megabyte of events. Their ids are the same each time. */
const LARGE = Array.from({ length: 1_000 }, (_, n) =>
  event(`large-${n}`, { payload: { text: 'x'.repeat(900) } }),
);

const LARGE_BYTES = JSON.stringify(LARGE).length;

async function untilLargeIs(gateway: RunningGateway, status: number): Promise<void> {
  await waitFor(async () => (await gateway.publish(LARGE)).status === status, {
    timeoutMs: 20_000,
    describe: `a large request to be answered with ${status}`,
  });
}

describe('request bodies', () => {
  it('take room while they arrive: other large ones are refused, small ones are not', async () => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start(environment);
    const arriving = await begin(gateway, ANNOUNCED_BYTES - 65_536);
    const isFull = async (): Promise<boolean> => !(await hasRoomForBody(gateway.gateway.url, LARGE_BYTES));
    await waitFor(isFull, { timeoutMs: 20_000, describe: 'the room to be taken' });
    const refused = await gateway.publish(LARGE);
    expect(problemOf(refused).type).toBe('urn:sekali:problem:busy');
    expect(Object.fromEntries(refused.headers)).toMatchObject({
      'retry-after': '1',
      connection: 'keep-alive',
    });
    expect((await gateway.publish(event('small'))).status).toBe(202);
    arriving.destroy();
    await untilLargeIs(gateway, 202);
  });

  it('take none for what was only announced', async () => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start(environment);
    for (let n = 0; n < 5; n += 1) await begin(gateway, 1_000);
    expect((await gateway.publish(LARGE)).status).toBe(202);
  });

  it('give their room back whatever became of them', async () => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start(environment);
    // All of them do not fit into the room.
    const bodies = [
      'x'.repeat(1_000_000),
      JSON.stringify(LARGE.map((one) => ({ ...one, topic: '' }))),
      Buffer.alloc(1_000_000, 0xff),
    ];
    const statuses = new Set<number>();
    for (let n = 0; n < 60; n += 1) {
      const { status } = await gateway.publish(bodies[n % bodies.length]);
      statuses.add(status);
    }
    expect([...statuses].sort()).toStrictEqual([400, 422]);
    expect((await gateway.publish(LARGE)).status).toBe(202);
  });

  it('may come in chunks of a few bytes, and not in thousands of tiny ones', async () => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start(environment);
    const send = (text: string, bytes: number): Socket => {
      const socket = dial(gateway.gateway.url);
      sockets.push(socket);
      const chunks: string[] = [];
      for (let at = 0; at < text.length; at += bytes) {
        const chunk = text.slice(at, at + bytes);
        chunks.push(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
      }
      socket.write(
        'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
          `Transfer-Encoding: chunked\r\n\r\n${chunks.join('')}0\r\n\r\n`,
      );
      return socket;
    };
    const text = JSON.stringify(Array.from({ length: 200 }, (_, n) => event(`chunked-${n}`)));
    expect(await readUntil(send(text, 20), /\r\n\r\n/)).toContain('HTTP/1.1 202 ');
    expect(await readUntil(send(JSON.stringify(event('chunked')), 1), /\r\n\r\n/)).toContain('HTTP/1.1 202 ');
    const [refusal] = await endOf(send(text, 1));
    expect(rawAnswer(refusal)).toMatchObject({ status: 400, headers: { connection: 'close' } });
    expect(refusal).toContain('urn:sekali:problem:tiny-chunks');
  });
});
