/** Compressed bodies: every bound of a plain one holds for what it unpacks to. */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import zlib from 'node:zlib';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestSystem, waitFor } from '#testing';
import { dial, endOf, hasRoomForBody, rawAnswer } from '../test/raw-socket.js';
import { event, problemOf, published, RunningGateway } from '../test/running-gateway.js';
import { ACCEPTED_ENCODINGS } from './content-encoding.js';

const BODY_BYTES_MAX = 16_777_216;
const sockets: Socket[] = [];
let gateway: RunningGateway;

beforeAll(async () => {
  const { environment } = await createTestSystem();
  gateway = await RunningGateway.start(environment);
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

const bodyOf = (id: string): string => JSON.stringify([event(`${id}-1`), event(`${id}-2`)]);
const encoded = async (encoding: string, bytes: Buffer): Promise<ReturnType<typeof problemOf> | number> => {
  const answer = await gateway.publish(bytes, { 'content-encoding': encoding });
  return answer.status === 202 ? 202 : problemOf(answer);
};

describe('a compressed body', () => {
  it.each([
    ['gzip', (text: string) => zlib.gzipSync(text)],
    ['X-GZIP', (text: string) => zlib.gzipSync(text)],
    [
      'gzip',
      (text: string) => Buffer.concat([zlib.gzipSync(text.slice(0, 9)), zlib.gzipSync(text.slice(9))]),
    ],
    ['deflate', (text: string) => zlib.deflateSync(text)],
    ['deflate', (text: string) => zlib.deflateRawSync(text)],
    ['br', (text: string) => zlib.brotliCompressSync(text)],
    [' identity ', (text: string) => Buffer.from(text)],
  ])('is taken with %s', async (encoding, encode) => {
    const answer = await gateway.publish(encode(bodyOf(randomBytes(6).toString('hex'))), {
      'content-encoding': encoding,
    });
    expect([answer.status, published(answer).accepted]).toEqual([202, 2]);
  });

  it('is refused in an encoding that is not known, and in several, with those that are', async () => {
    const zstd = ACCEPTED_ENCODINGS.includes('zstd') ? [] : ['zstd'];
    for (const encoding of ['gzip, gzip', 'gzip,br', 'compress', 'snappy', ...zstd]) {
      const answer = await gateway.publish(zlib.gzipSync('[]'), { 'content-encoding': encoding });
      expect([encoding, problemOf(answer).status]).toEqual([encoding, 415]);
      expect(answer.headers.get('accept-encoding')).toBe(ACCEPTED_ENCODINGS);
    }
    expect(ACCEPTED_ENCODINGS).toMatch(/^gzip, deflate, br(, zstd)?$/);
  });

  it('is refused when it is cut, followed by something else, or not compressed at all', async () => {
    const whole = zlib.gzipSync(bodyOf('broken'));
    const broken: [string, Buffer][] = [
      ['gzip', whole.subarray(0, -1)],
      ['gzip', whole.subarray(0, 5)],
      ['gzip', Buffer.concat([whole, Buffer.from('and more')])],
      ['gzip', Buffer.from(bodyOf('broken'))],
      ['br', whole],
      ['deflate', whole],
      ['br', Buffer.concat([zlib.brotliCompressSync(bodyOf('broken')), Buffer.from('and more')])],
    ];
    for (const [index, [encoding, bytes]] of broken.entries())
      expect([index, await encoded(encoding, bytes)]).toMatchObject([index, { status: 400 }]);
    // Nothing of them was published.
    expect((await gateway.get('/events/orders.created/broken-1')).status).toBe(404);
    expect(await encoded('gzip', Buffer.alloc(0))).not.toBe(202);
  });

  it('is bounded by what it unpacks to, however small it is', async () => {
    const fits = Buffer.from(bodyOf('fits').padEnd(BODY_BYTES_MAX));
    expect(await encoded('gzip', zlib.gzipSync(fits))).toBe(202);
    const more = Buffer.alloc(BODY_BYTES_MAX + 1, 0x20);
    for (const [encoding, bytes] of [
      ['gzip', zlib.gzipSync(more)],
      ['br', zlib.brotliCompressSync(more)],
      ['deflate', zlib.deflateSync(more)],
    ] as const)
      expect([encoding, await encoded(encoding, bytes)]).toMatchObject([encoding, { status: 413 }]);
  });

  it('takes room for what it unpacked to so far, and is cut off when it does not go on', async () => {
    const bomb = zlib.gzipSync(Buffer.alloc(BODY_BYTES_MAX - 1_000_000, 0x20));
    const socket = dial(gateway.gateway.url);
    sockets.push(socket);
    socket.write(
      'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
        `Content-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`,
    );
    socket.write(bomb.subarray(0, -100));
    const isFull = async (): Promise<boolean> => !(await hasRoomForBody(gateway.gateway.url, 1_000_000));
    await waitFor(isFull, { timeoutMs: 20_000, describe: 'the room to be taken' });
    const [text] = await endOf(socket);
    expect(rawAnswer(text)).toMatchObject({ status: 408, headers: { connection: 'close' } });
    expect(await hasRoomForBody(gateway.gateway.url, 1_000_000)).toBe(true);
  });

  it('is refused when it outgrows the room, also when all of it has arrived', async () => {
    const socket = dial(gateway.gateway.url);
    sockets.push(socket);
    socket.write(
      'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16000000\r\n\r\n',
    );
    socket.write(Buffer.alloc(11_500_000, 0x20));
    const hasLittle = async (): Promise<boolean> => !(await hasRoomForBody(gateway.gateway.url, 2_000_000));
    await waitFor(hasLittle, { timeoutMs: 20_000, describe: 'the room to be taken' });
    expect(await encoded('gzip', zlib.gzipSync(Buffer.alloc(4_000_000, 0x20)))).toMatchObject({
      status: 503,
    });
  });

  it('gives its room back whatever became of it', async () => {
    const bodies = [
      zlib.gzipSync('x'.repeat(2_000_000)),
      zlib.gzipSync('x'.repeat(2_000_000)).subarray(0, -4),
      zlib.gzipSync(Buffer.alloc(BODY_BYTES_MAX + 1, 0x20)),
      Buffer.from('not compressed'),
    ];
    for (let n = 0; n < 60; n += 1) {
      const answer = await gateway.publish(bodies[n % bodies.length], { 'content-encoding': 'gzip' });
      expect([n, [400, 413, 422].includes(answer.status)]).toEqual([n, true]);
    }
    expect(await hasRoomForBody(gateway.gateway.url, 12_000_000)).toBe(true);
  });
});
