/** Copies of stores: the whole of one, or the state of its consumers. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { emptyStore, StoreCopy, type Store } from './broker-files.js';

const MESSAGES = 'jetstream/$G/streams/EVENTS/msgs/1.blk';
const CONSUMER = 'jetstream/$G/streams/EVENTS/obs/store/o.dat';
const CONSUMER_GROUP = 'jetstream/$SYS/_js_/C-R3F-a/msgs/1.blk';
const STREAM_GROUP = 'jetstream/$SYS/_js_/S-R3F-a/msgs/1.blk';
const ALL = [MESSAGES, CONSUMER, CONSUMER_GROUP, STREAM_GROUP];

let folder: string;
let stores: readonly Store[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'broker-files-'));
  mkdirSync(join(folder, 'disk'));
  mkdirSync(join(folder, 'nats-1'));
  // A store may be a link to a separate disk.
  symlinkSync(join(folder, 'disk'), join(folder, 'nats-2'));
  stores = ['nats-1', 'nats-2'].map((name) => ({ name, directory: join(folder, name) }));
  for (const store of stores) write(store, 'older');
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write({ directory }: Store, text: string): void {
  for (const path of ALL) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
}

function read({ directory }: Store): (string | undefined)[] {
  return ALL.map((path) => join(directory, path)).map((file) =>
    existsSync(file) ? readFileSync(file, 'utf8') : undefined,
  );
}

describe('StoreCopy', () => {
  it('puts everything back as it was, and removes what came later', async () => {
    const copy = await StoreCopy.of(stores);
    for (const store of stores) write(store, 'newer');
    const later = join(folder, 'nats-1', 'jetstream', 'later');
    writeFileSync(later, '');
    await copy.putBack(stores);
    for (const store of stores) expect(read(store)).toEqual(['older', 'older', 'older', 'older']);
    expect(existsSync(later)).toBe(false);
    await copy.discard();
    await copy.discard();
  });

  it('puts back the state of consumers, and nothing of the stream', async () => {
    const copy = await StoreCopy.of(stores, 'consumers');
    for (const store of stores) write(store, 'newer');
    await copy.putBack(stores, 'consumers');
    await copy.discard();
    for (const store of stores) expect(read(store)).toEqual(['newer', 'older', 'older', 'newer']);
  });
});

describe('emptyStore', () => {
  it('leaves the directory and nothing in it', async () => {
    for (const store of stores) {
      await emptyStore(store.directory);
      expect(read(store)).toEqual([undefined, undefined, undefined, undefined]);
      expect(existsSync(store.directory)).toBe(true);
    }
  });
});
