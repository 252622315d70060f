/** Disks that can be filled. They are mounted where that is allowed; otherwise the tests check the reason. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { OwnDisks } from './own-disk.js';

const DISK_BYTES = 8 * 1024 ** 2;

const opened = await OwnDisks.open(DISK_BYTES);
const { disks: mounted } = opened;
if (mounted === undefined) saysWhy(opened.why);
else canBeFilled(mounted);

function saysWhy(why: string): void {
  it('a small disk cannot be mounted here, which needs root on Linux, and the reason is given', () => {
    expect(why).toMatch(/\S/);
  });
}

function canBeFilled(disks: OwnDisks): void {
  it('a small disk takes a store, is filled to the last byte, is freed, and leaves nothing mounted', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'own-disk-'));
    const store = join(folder, 'store');
    try {
      mkdirSync(store);
      writeFileSync(join(store, 'kept'), 'as before');
      await disks.take('nats-1', store);
      expect(readFileSync(join(store, 'kept'), 'utf8')).toBe('as before');
      const disk = disks.of('nats-1');
      const more = () => writeFileSync(join(store, 'more'), Buffer.alloc(4_096));
      await disk?.fill();
      expect(more).toThrow('ENOSPC');
      await disk?.free();
      await disk?.free();
      expect(more).not.toThrow();
      expect(disks.of('nats-2')).toBeUndefined();
    } finally {
      disks.close();
    }
    expect(existsSync(join(store, 'kept'))).toBe(false);
    rmSync(folder, { recursive: true });
  });

  it('a disk that cannot be mounted has a reason', async () => {
    const refused = await OwnDisks.open(Number.NaN);
    expect(refused).toEqual({ disks: undefined, why: expect.stringMatching(/\S/) as unknown });
  });
}
