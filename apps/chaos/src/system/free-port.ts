import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const PORT_MIN = 15_000;
const PORT_MAX = 29_999;
const DRAWS_MAX = 200;

/**
 * Chooses a port on loopback at which no program listens now, to be kept through restarts.
 *
 * It is from below the range that systems give to outgoing connections. So no client's own socket can take it while its
 * owner is down.
 */
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
