/**
 * Free TCP ports on loopback.
 *
 * Ports are drawn at random from below the range for outgoing connections. So while a node is down, no client's own
 * socket can take its port. Two clusters that start at once may still draw the same port. The second one to bind fails
 * with "address already in use" and starts again with new ports (see broker-cluster.ts, postgres-server.ts).
 */
import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { LocalClusterError } from './local-cluster-error.js';

const DRAWN_PORT_MIN = 15_000;
const DRAWN_PORT_MAX = 29_999;
const DRAWS_MAX = 500;
const CONNECT_TIMEOUT_MS = 500;

/** Draws `count` different ports that no process listens on at this moment. */
export async function drawFreePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let draw = 0; draw < DRAWS_MAX && ports.size < count; draw += 1) {
    const port = randomInt(DRAWN_PORT_MIN, DRAWN_PORT_MAX + 1);
    if (!ports.has(port) && (await portState(port)) === 'free') ports.add(port);
  }
  if (ports.size < count) {
    throw new LocalClusterError(
      `No ${count} free ports between ${DRAWN_PORT_MIN} and ${DRAWN_PORT_MAX} on 127.0.0.1: close some programs.`,
    );
  }
  return [...ports];
}

/**
 * Whether this process can listen on 127.0.0.1:`port`. A `forbidden` port is one that this user may not open.
 *
 * @throws LocalClusterError when the machine has no 127.0.0.1, as one with IPv6 alone
 */
export async function portState(port: number): Promise<'free' | 'busy' | 'forbidden'> {
  const bound = await tryToListen(port);
  if (bound !== 'free') return bound;
  // Some systems allow a second listener when another one listens on all addresses. Only a connection shows it.
  return (await someoneAnswers(port)) ? 'busy' : 'free';
}

function tryToListen(port: number): Promise<'free' | 'busy' | 'forbidden'> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve('busy');
      else if (error.code === 'EACCES') resolve('forbidden');
      else if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT')
        reject(noLoopback(error.code));
      else reject(error);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve('free')));
  });
}

function someoneAnswers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => finish(false));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

function noLoopback(code: string): LocalClusterError {
  return new LocalClusterError(
    `This machine has no address 127.0.0.1 (${code}), which a local system needs: give its loopback interface one, ` +
      'for example with "ip addr add 127.0.0.1/8 dev lo".',
  );
}
