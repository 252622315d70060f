import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Server } from 'node:net';
import { drawFreePorts, portState } from './free-port.js';

afterEach(() => {
  jest.restoreAllMocks();
});

/** Simulates a machine whose loopback interface lacks that address. */
function withoutLoopback(code: string): void {
  jest.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server) {
    const error = Object.assign(new Error(`listen ${code}`), { code });
    process.nextTick(() => this.emit('error', error));
    return this;
  });
}

describe('free ports', () => {
  it.each(['EADDRNOTAVAIL', 'EAFNOSUPPORT'])(
    'are refused in one line on a machine with IPv6 alone: %s',
    async (code) => {
      withoutLoopback(code);
      const refusal = `This machine has no address 127.0.0.1 (${code}), which a local system needs`;
      await expect(drawFreePorts(3)).rejects.toThrow(refusal);
      await expect(portState(8080)).rejects.toThrow(refusal);
    },
  );

  it('are all different', async () => {
    expect(new Set(await drawFreePorts(5)).size).toBe(5);
  });
});
