/**
 * A socket to a gateway, for input that no HTTP client sends. It leaves its own side open until the other side has
 * closed.
 */
import { connect, type Socket } from 'node:net';

/** Connects. A broken connection is not an error; its end shows it. */
export function dial(url: string): Socket {
  const { hostname, port } = new URL(url);
  return connect({ port: Number(port), host: hostname, allowHalfOpen: true }).on('error', () => undefined);
}

const WRITE_EVERY_MS = 50;

/**
 * Everything that comes back until the other side closes the connection, and how long that took. A half-open connection
 * is not enough: it answers nothing, but still exists.
 */
export async function endOf(socket: Socket): Promise<[text: string, elapsedMs: number]> {
  const startedAt = performance.now();
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  let drip: NodeJS.Timeout | undefined;
  socket.once('end', () => (drip = setInterval(() => socket.write('\n'), WRITE_EVERY_MS)));
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(drip);
  return [Buffer.concat(chunks).toString(), performance.now() - startedAt];
}

/** Sends bytes and reads until the answer matches. Rejects when the connection ends before. */
export async function readUntil(socket: Socket, expected: RegExp): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!expected.test(text)) return;
      socket.off('data', onData);
      resolve(text);
    };
    socket.on('data', onData);
    socket.once('close', () => {
      reject(new Error(`the connection ended after ${JSON.stringify(text)}`));
    });
  });
}

/** Whether a gateway has room for a body of a size now. Asking takes no room from other bodies. */
export async function hasRoomForBody(url: string, bytes: number, headers = ''): Promise<boolean> {
  const socket = dial(url);
  socket.write(
    'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n' +
      `${headers}Content-Length: ${bytes}\r\n\r\n`,
  );
  const text = await readUntil(socket, /\r\n\r\n/).finally(() => socket.destroy());
  const isContinued = text.startsWith('HTTP/1.1 100 ');
  if (!isContinued && !text.startsWith('HTTP/1.1 503 ')) throw new Error(text);
  return isContinued;
}

/** Parses the only answer. Throws when there is none, or more than one. */
export function rawAnswer(text: string): {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
} {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [line = '', ...lines] = head.split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1]);
  if (!(status >= 100)) throw new Error(`no answer: ${JSON.stringify(text)}`);
  const headers = lines.map((one) => [one.split(':', 1)[0]?.toLowerCase(), one.replace(/^[^:]*: */, '')]);
  return { status, headers: Object.fromEntries(headers) as Record<string, string>, body };
}
