/** One exchange with a gateway over a separate socket: bytes in, answers out, and always an end. */
import { connect, type Socket } from 'node:net';
import type { HttpInput } from './http-inputs.js';

/** An answer in its form on the wire. */
export interface WireAnswer {
  readonly status: number;
  /** The head without the status line, with names as sent. */
  readonly head: string;
  readonly type: string;
  readonly body: string;
}

/** The result. `hung`: the gateway neither answered nor ended the connection in time. */
export interface Exchange {
  readonly answers: readonly WireAnswer[];
  readonly hung: boolean;
}

const WAIT_MS_MAX = 40_000;
const HEAD_END = '\r\n\r\n';

/** Sends an input and reads the answers. It never rejects, because a broken connection is an end like any other. */
export async function exchange(port: number, input: HttpInput): Promise<Exchange> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  const isHead = input.bytes.subarray(0, 5).toString('latin1') === 'HEAD ';
  const ended = endOf(socket);
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    // We end a connection that is kept alive, once there is an answer.
    if (input.then === 'wait' && answersIn(Buffer.concat(chunks), isHead).some(isFinal)) socket.end();
  });
  send(socket, input);
  const hung = !(await ended);
  return { answers: answersIn(Buffer.concat(chunks), isHead).filter(isFinal), hung };
}

function send(socket: Socket, { bytes, then }: HttpInput): void {
  if (then === 'half-close') socket.end(bytes);
  else if (then === 'reset') socket.write(bytes, () => setImmediate(() => socket.resetAndDestroy()));
  else socket.write(bytes);
}

/** Resolves with whether the connection ended in time. */
async function endOf(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(false);
    }, WAIT_MS_MAX);
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

function isFinal({ status }: WireAnswer): boolean {
  return status >= 200;
}

function answersIn(bytes: Buffer, isHead: boolean): WireAnswer[] {
  const answers: WireAnswer[] = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf(HEAD_END, at);
    if (end === -1) return answers;
    const [line = '', ...lines] = bytes.subarray(at, end).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1] ?? 0);
    const value = (name: string): string | undefined =>
      lines.find((one) => one.toLowerCase().startsWith(`${name}: `))?.slice(name.length + 2);
    const length = isHead || status < 200 || status === 204 ? 0 : Number(value('content-length') ?? 0);
    const start = end + HEAD_END.length;
    if (bytes.length < start + length) return answers;
    const body = bytes.subarray(start, start + length).toString();
    answers.push({ status, head: lines.join('\n'), type: value('content-type') ?? '', body });
    at = start + length;
  }
}
