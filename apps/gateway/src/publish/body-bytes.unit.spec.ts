import { describe, expect, it } from '@jest/globals';
import { BodyBytes } from './body-bytes.js';

describe('the bytes of a body', () => {
  it('are what came, in whatever pieces', () => {
    for (const size of [1, 7, 1_000, 40_000, 100_000]) {
      const sent = Buffer.from(Array.from({ length: 100_000 }, (_, n) => n % 251));
      const bytes = new BodyBytes();
      for (let at = 0; at < sent.length; at += size) bytes.add(sent.subarray(at, at + size));
      expect([bytes.length, bytes.whole().equals(sent)]).toStrictEqual([sent.length, true]);
    }
    expect(new BodyBytes().whole()).toHaveLength(0);
  });

  it('do not keep the pieces: a byte at a time takes about as much as all at once', () => {
    const bytes = new BodyBytes();
    for (let n = 0; n < 70_000; n += 1) bytes.add(Buffer.alloc(1, 0x20));
    expect(bytes.whole().buffer.byteLength).toBeLessThan(140_000);
  });
});
