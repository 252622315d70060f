/**
 * A free TCP port on loopback, to be kept through restarts.
 *
 * Drawn from below the range that systems give to outgoing connections: while its owner is down, no client's own
 * socket can take it.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const PORT_MIN = 15_000;
const PORT_MAX = 29_999;
const DRAWS_MAX = 200;

/** Draws a port that nobody listens on at this moment. */
export async function drawFreePort(): Promise<number> {
  for (let draw = 0; draw < DRAWS_MAX; draw += 1) {
    const port = randomInt(PORT_MIN, PORT_MAX + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${PORT_MIN} and ${PORT_MAX} on 127.0.0.1: close some programs`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
