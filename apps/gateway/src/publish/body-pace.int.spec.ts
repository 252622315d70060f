import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, it } from '@jest/globals';
import { BodyPace } from './body-pace.js';

const WINDOW_MS = 100;
/** The bytes that a body has to bring in a window are half of what is sent. */
const SENT_BYTES = 20_000;

/** Nothing of this process runs, as on a busy machine. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

it('the pace of a body counts what arrived while this process did not run', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sender = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [receiver] = (await once(server, 'connection')) as [Socket];
  let bytes = 0;
  receiver.on('data', (chunk: Buffer) => (bytes += chunk.length));
  const pace = new BodyPace((SENT_BYTES / 2 / WINDOW_MS) * 1_000, WINDOW_MS);
  const end = new Promise<string>((resolve) => {
    let readings = 0;
    pace.watch({
      get arrived() {
        readings += 1;
        if (readings === 1) {
          // Behind its first check, the bytes of the second window arrive during a stall.
          setImmediate(() => {
            sender.write(Buffer.alloc(SENT_BYTES));
            stall(3 * WINDOW_MS);
          });
        }
        // The second check reads twice when it is content.
        if (readings === 3) resolve('kept');
        return bytes;
      },
      cutOff: () => resolve('cut off'),
    });
  });
  expect(await end).toBe('kept');
  sender.destroy();
  server.close();
});
