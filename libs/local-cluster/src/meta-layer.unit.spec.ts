import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MetaLayer } from './meta-layer.js';

let store: string;
let layer: MetaLayer;

const log = (): string => join(store, 'jetstream', '$SYS', '_js_', '_meta_');
const copy = (): string => join(store, 'meta-layer', '$SYS');

beforeEach(() => {
  store = mkdtempSync(join(tmpdir(), 'sekali-meta-'));
  layer = new MetaLayer(store);
  mkdirSync(join(log(), 'msgs'), { recursive: true });
  mkdirSync(join(store, 'jetstream', '$G', 'streams', 'S'), { recursive: true });
  write('1');
});

afterEach(() => {
  rmSync(store, { recursive: true, force: true });
});

function write(content: string): void {
  writeFileSync(join(log(), 'msgs', '1.blk'), content);
}

const copied = (): string | undefined => {
  const file = join(copy(), 'msgs', '1.blk');
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
};

describe('a copy of the meta group', () => {
  it('is taken when two inspections agree, and never while the log is being written', () => {
    layer.keep();
    expect(copied()).toBeUndefined();
    layer.keep();
    expect(copied()).toBe('1');
    write('2');
    layer.keep();
    expect(copied()).toBe('1');
    write('3');
    layer.keep();
    expect(copied()).toBe('1');
    layer.keep();
    expect(copied()).toBe('3');
  });

  it('is put back where the log is gone and a stream has files', () => {
    layer.keep();
    layer.keep();
    rmSync(log(), { recursive: true });
    expect(layer.restore()).toBe(true);
    expect(readFileSync(join(log(), 'msgs', '1.blk'), 'utf8')).toBe('1');
  });

  it('is kept while the log is gone', () => {
    layer.keep();
    layer.keep();
    rmSync(log(), { recursive: true });
    layer.keep();
    layer.keep();
    expect(copied()).toBe('1');
  });

  it('is left where it is while there is a log', () => {
    layer.keep();
    layer.keep();
    write('2');
    expect(layer.restore()).toBe(false);
    expect(readFileSync(join(log(), 'msgs', '1.blk'), 'utf8')).toBe('2');
  });

  it('is left where it is when no stream has files: it would name what is not there', () => {
    layer.keep();
    layer.keep();
    rmSync(join(store, 'jetstream'), { recursive: true });
    expect(layer.restore()).toBe(false);
    expect(existsSync(log())).toBe(false);
  });

  it('is not put back when it was only half written', () => {
    layer.keep();
    layer.keep();
    cpSync(copy(), `${copy()}.unfinished`, { recursive: true });
    rmSync(copy(), { recursive: true });
    rmSync(log(), { recursive: true });
    expect(layer.restore()).toBe(false);
  });

  it('is taken by a broker that has none of its own, without the vote of the other', () => {
    writeFileSync(join(log(), 'tav.idx'), 'vote');
    layer.keep();
    layer.keep();
    const other = mkdtempSync(join(tmpdir(), 'sekali-meta-'));
    try {
      const empty = new MetaLayer(other);
      expect(empty.exists).toBe(false);
      expect(empty.adopt(layer)).toBe(true);
      expect(empty.exists).toBe(true);
      const taken = join(other, 'jetstream', '$SYS', '_js_', '_meta_');
      expect(readFileSync(join(taken, 'msgs', '1.blk'), 'utf8')).toBe('1');
      expect(existsSync(join(taken, 'tav.idx'))).toBe(false);
      expect(empty.adopt(layer)).toBe(false);
    } finally {
      rmSync(other, { recursive: true, force: true });
    }
  });

  it('does not mind a store that is not there yet', () => {
    const none = new MetaLayer(join(store, 'none'));
    none.keep();
    expect(none.restore()).toBe(false);
  });
});
