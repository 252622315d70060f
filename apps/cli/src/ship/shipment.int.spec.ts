/** Shipping real files that end, grow, rotate and shrink. The lines are recorded instead of sent. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { gzipSync } from 'node:zlib';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '#testing';
import { InFlight } from '../in-flight.js';
import type { OutgoingEvent, Producer, SendOutcome } from '../producer.js';
import { Bookmark } from './bookmark.js';
import { LinePattern } from './line-formats/line-pattern.js';
import { Shipment, type ShipmentPlan } from './shipment.js';

/** Accepts everything, or the given number of batches. */
class Recorder implements Producer {
  readonly events: OutgoingEvent[] = [];

  constructor(private batchesLeft = Number.POSITIVE_INFINITY) {}

  get messages(): unknown[] {
    return this.events.map((event) => event.payload['message']);
  }

  get ids(): string[] {
    return this.events.map((event) => event.event_id);
  }

  async send(events: readonly OutgoingEvent[]): Promise<SendOutcome> {
    const taken = this.batchesLeft-- > 0;
    if (taken) this.events.push(...events);
    const count = events.length;
    const outcome = { accepted: 0, duplicates: 0, refused: [], missing: 0, resends: 0 };
    return Promise.resolve(taken ? { ...outcome, accepted: count } : { ...outcome, missing: count });
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }
}

let folder: string;
let path: string;
let notices: string[];
let aborter: AbortController;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-ship-'));
  path = join(folder, 'app.log');
  notices = [];
  aborter = new AbortController();
});
afterEach(() => {
  aborter.abort();
  rmSync(folder, { recursive: true, force: true });
});

function shipment(producer: Producer, changes: Partial<ShipmentPlan> = {}): { run: () => Promise<Shipment> } {
  const inFlight = new InFlight(1);
  const made = new Shipment(
    {
      path,
      origin: { name: 'app.log', topic: 'logs.app', source: 'test' },
      rules: { format: 'auto', multiline: false },
      batch: 2,
      follow: false,
      takeLastLine: false,
      resume: true,
      bookmark: new Bookmark(join(folder, 'state'), path, ['here']),
      signal: aborter.signal,
      onNotice: (text) => notices.push(text),
      onBytes: () => undefined,
      ...changes,
    },
    producer,
    inFlight,
  );
  return {
    run: async () => {
      await made.run();
      await inFlight.drain();
      await made.close();
      return made;
    },
  };
}

async function ship(producer: Producer, changes: Partial<ShipmentPlan> = {}): Promise<Shipment> {
  return shipment(producer, changes).run();
}

describe('shipping a file', () => {
  it('sends every line once, with the same ids every time', async () => {
    writeFileSync(path, 'a\n\nb\na\n');
    const first = new Recorder();
    const { result } = await ship(first);
    expect(first.messages).toEqual(['a', '', 'b', 'a']);
    expect(new Set(first.ids).size).toBe(4);
    expect(result).toMatchObject({ lines: 4, accepted: 4, heldBackBytes: 0, resumedAfterLine: 0 });
    const second = new Recorder();
    await ship(second);
    expect(second.ids).toEqual(first.ids);
  });

  it('leaves an unfinished last line and reports it, or sends it on request', async () => {
    writeFileSync(path, 'a\nb');
    const careful = new Recorder();
    expect((await ship(careful)).result).toMatchObject({ lines: 1, heldBackBytes: 1 });
    const bold = new Recorder();
    expect((await ship(bold, { takeLastLine: true })).result).toMatchObject({ lines: 2, heldBackBytes: 0 });
    expect(bold.messages).toEqual(['a', 'b']);
  });

  it('continues after an interrupted run where that had ended, and removes its bookmark then', async () => {
    writeFileSync(path, '1\n2\n3\n4\n5\n6\n7\n');
    const interrupted = new Recorder(2);
    expect((await ship(interrupted)).result).toMatchObject({ accepted: 4, missing: 2 });
    const next = new Recorder();
    expect((await ship(next)).result).toMatchObject({ resumedAfterLine: 4, accepted: 3 });
    expect([...interrupted.messages, ...next.messages]).toEqual(['1', '2', '3', '4', '5', '6', '7']);
    expect(readdirSync(join(folder, 'state'))).toEqual([]);
    const whole = new Recorder();
    await ship(whole);
    expect(whole.ids.slice(4)).toEqual(next.ids);
  });

  it('begins at the beginning on request, and when the file is another one', async () => {
    writeFileSync(path, '1\n2\n3\n4\n5\n');
    await ship(new Recorder(1));
    expect((await ship(new Recorder(1), { resume: false })).result.resumedAfterLine).toBe(0);
    writeFileSync(path, 'x\ny\nz\n4\n5\n');
    const other = new Recorder();
    expect((await ship(other)).result.resumedAfterLine).toBe(0);
    expect(other.messages).toEqual(['x', 'y', 'z', '4', '5']);
  });

  it('reports every byte once, whatever the number of batches on their way', async () => {
    writeFileSync(path, '1\n22\n333\n4444\n5\n');
    const reported: number[] = [];
    const onBytes = (bytes: number): void => {
      reported.push(bytes);
    };
    await ship(new Recorder(1), { onBytes });
    expect(reported).toEqual([5]);
    await ship(new Recorder(), { onBytes });
    expect(reported.slice(1).reduce((sum, bytes) => sum + bytes, 0)).toBe(16);
  });

  it('unpacks a file, with the ids of what was packed, and says when it is broken', async () => {
    writeFileSync(path, '1\n2\n3\n4');
    const plain = new Recorder();
    await ship(plain, { takeLastLine: true });
    const packed = gzipSync('1\n2\n3\n4');
    writeFileSync(path, packed);
    const unpacked = new Recorder();
    expect((await ship(unpacked)).result).toMatchObject({ lines: 4, failure: undefined });
    expect(unpacked.ids).toEqual(plain.ids);
    writeFileSync(path, packed.subarray(0, -9));
    expect((await ship(new Recorder())).result.failure).toBe('unexpected end of file');
  });

  it('leaves out the last event where it may go on, and sends it on request', async () => {
    const rules = { format: 'auto', multiline: true } as const;
    writeFileSync(path, '2026-11-22 10:00:00 a\n x\n2026-11-22 10:00:01 b\n y\n');
    const careful = new Recorder();
    expect((await ship(careful, { rules })).result).toMatchObject({ lines: 4, events: 1, heldBackLines: 2 });
    const bold = new Recorder();
    await ship(bold, { rules, takeLastLine: true });
    expect(bold.messages).toEqual(['a\n x', 'b\n y']);
  });

  it('ends at a line on which an expression takes too long', async () => {
    const rules = { format: 'auto', multiline: false, pattern: new LinePattern('^(a+)+$') } as const;
    writeFileSync(path, `ok\n${'a'.repeat(60)}!\n`);
    expect((await ship(new Recorder(), { rules })).result.failure).toContain('more than 1 s on line 2');
  });

  it('counts events that have the time of the file', async () => {
    writeFileSync(path, '2026-11-22 10:00:00 a\nb\n');
    expect((await ship(new Recorder())).result.undated).toBe(1);
    const rules = { format: 'plain', multiline: false } as const;
    expect((await ship(new Recorder(), { rules })).result.undated).toBe(0);
  });

  it('reports a file that it cannot read', async () => {
    expect((await ship(new Recorder())).result.failure).toBe('no such file or directory');
  });
});

describe('following a file', () => {
  const seen = (producer: Recorder, ...messages: string[]) =>
    waitFor(() => messages.every((message) => producer.messages.includes(message)), {
      timeoutMs: 10_000,
      describe: `${messages.join(', ')} to be sent`,
    });

  const noticed = (text: string) =>
    waitFor(() => notices.join().includes(text), { timeoutMs: 10_000, describe: `the notice "${text}"` });

  async function following(
    work: (producer: Recorder) => Promise<unknown>,
    changes: Partial<ShipmentPlan> = {},
  ): Promise<Recorder> {
    const producer = new Recorder();
    const done = ship(producer, { follow: true, quietMs: 1_000, ...changes });
    try {
      await work(producer);
    } finally {
      aborter.abort();
      await done;
    }
    return producer;
  }

  it('sends lines as they are finished', async () => {
    writeFileSync(path, 'a\nb');
    const producer = await following(async (sent) => {
      await seen(sent, 'a');
      appendFileSync(path, 'b\nc\n');
      await seen(sent, 'bb', 'c');
    });
    expect(producer.messages).toEqual(['a', 'bb', 'c']);
  });

  it('sends the rest of a rotated file, then the new one', async () => {
    writeFileSync(path, 'old 1\n');
    const producer = await following(async (sent) => {
      await seen(sent, 'old 1');
      appendFileSync(path, 'old 2\nold 3');
      renameSync(path, `${path}.1`);
      writeFileSync(path, 'new 1\n');
      await seen(sent, 'new 1', 'old 3');
    });
    expect([...producer.messages].sort()).toEqual(['new 1', 'old 1', 'old 2', 'old 3']);
    expect(new Set(producer.ids).size).toBe(4);
    expect(notices.join()).toContain('rotated');
  });

  it('reads on in a renamed file while its program writes there', async () => {
    writeFileSync(path, 'old 1\n');
    const writer = openSync(path, 'a');
    try {
      const producer = await following(async (sent) => {
        await seen(sent, 'old 1');
        renameSync(path, `${path}.1`);
        writeFileSync(path, '');
        await noticed('rotated');
        writeSync(writer, 'old 2\n');
        await seen(sent, 'old 2');
        appendFileSync(path, 'new 1\n');
        await seen(sent, 'new 1');
        writeSync(writer, 'old 3\n');
        await seen(sent, 'old 3');
      });
      expect(producer.messages).toEqual(['old 1', 'old 2', 'new 1', 'old 3']);
    } finally {
      closeSync(writer);
    }
  });

  it('reads on in a deleted file until it is quiet', async () => {
    writeFileSync(path, 'old 1\n');
    const writer = openSync(path, 'a');
    try {
      const producer = await following(async (sent) => {
        await seen(sent, 'old 1');
        rmSync(path);
        writeFileSync(path, 'new 1\n');
        writeSync(writer, 'old 2\n');
        await seen(sent, 'new 1', 'old 2');
      });
      expect(producer.messages).toHaveLength(3);
    } finally {
      closeSync(writer);
    }
  });

  it('reads a file that had the path only between two checks, and no copy of another', async () => {
    writeFileSync(`${path}.9`, 'from last week\n');
    writeFileSync(path, 'one\n');
    const producer = await following(async (sent) => {
      await seen(sent, 'one');
      copyFileSync(path, `${path}.copy`);
      // Another log that is rotated at the same time.
      writeFileSync(`${path}-errors`, 'not ours\n');
      renameSync(path, `${path}.2`);
      writeFileSync(path, 'two\n');
      renameSync(path, `${path}.1`);
      writeFileSync(path, 'three\n');
      await seen(sent, 'two', 'three');
    });
    expect(producer.messages).toEqual(['one', 'two', 'three']);
  });

  it.each([
    ['longer lines', 'aaaaaaaa\nbbbbbb\n', 'first of the new\nsecond of the new\n'],
    ['lines of equal length', 'old 1\nold 2\n', 'new 1\nnew 2\nnew 3\n'],
  ])('notices that a file was cut and has grown past the old place: %s', async (_name, before, after) => {
    writeFileSync(path, before);
    const producer = await following(async (sent) => {
      await seen(sent, ...before.trimEnd().split('\n'));
      writeFileSync(path, after);
      await seen(sent, ...after.trimEnd().split('\n'));
    });
    expect(producer.messages).toEqual((before + after).trimEnd().split('\n'));
    expect(notices.join()).toContain('may be missing');
  });

  it('reads the rest of an emptied file from the copy that was made of it', async () => {
    writeFileSync(path, 'one\nhal');
    const producer = await following(async (sent) => {
      await seen(sent, 'one');
      appendFileSync(path, 'f\nthree\n');
      copyFileSync(path, `${path}.1`);
      writeFileSync(path, 'four\n');
      await seen(sent, 'four', 'three');
    });
    expect(producer.messages).toEqual(['one', 'half', 'three', 'four']);
  });

  it('leaves out the zeros before the place of a program that did not notice the cut', async () => {
    writeFileSync(path, 'one\ntwo\n');
    const producer = await following(async (sent) => {
      await seen(sent, 'two');
      truncateSync(path);
      const writer = openSync(path, 'r+');
      writeSync(writer, 'three\n', 8);
      closeSync(writer);
      await seen(sent, 'three');
    });
    expect(producer.messages).toEqual(['one', 'two', 'three']);
  });

  it('gives the lines of a new file other ids where it begins like the old one, also after a restart', async () => {
    const banner = 'server starting\nlistening\n';
    writeFileSync(path, banner);
    const first = await following(async (sent) => {
      await seen(sent, 'listening');
      renameSync(path, `${path}.1`);
      writeFileSync(path, `${banner}request\n`);
      await seen(sent, 'request');
      renameSync(path, `${path}.2`);
      writeFileSync(path, `${banner}third\n`);
      await seen(sent, 'third');
    });
    expect(first.messages).toHaveLength(8);
    expect(new Set(first.ids).size).toBe(8);
    const last = first.ids.slice(-3);
    aborter = new AbortController();
    const again = new Recorder();
    await ship(again, { resume: false });
    expect(again.ids).toEqual(last);
    const complete = new Recorder();
    await ship(complete);
    expect(complete.ids).toEqual(last);
  });

  it('continues in a copy that replaces the file', async () => {
    writeFileSync(path, 'one\n');
    const producer = await following(async (sent) => {
      await seen(sent, 'one');
      writeFileSync(`${path}.new`, 'one\ntwo\n');
      renameSync(`${path}.new`, path);
      await seen(sent, 'two');
    });
    expect(producer.messages).toEqual(['one', 'two']);
    expect(notices.join()).toContain('replaced');
  });

  it('finishes a file that was rotated while it did not run, and those that followed', async () => {
    writeFileSync(path, '1\n2\n');
    await following((sent) => seen(sent, '2'));
    appendFileSync(path, '3\n');
    renameSync(path, `${path}.2`);
    writeFileSync(path, '4\n');
    renameSync(path, `${path}.1`);
    writeFileSync(path, '5\n');
    aborter = new AbortController();
    const next = await following((sent) => seen(sent, '3', '4', '5'));
    expect(next.messages).toEqual(['3', '4', '5']);
    aborter = new AbortController();
    const once = new Recorder();
    await ship(once, { resume: true });
    expect(once.messages).toEqual([]);
  });

  it('says that a file is gone which it had not finished', async () => {
    writeFileSync(path, '1\n');
    await following((sent) => seen(sent, '1'));
    rmSync(path);
    writeFileSync(path, '2\n');
    aborter = new AbortController();
    const next = await following((sent) => seen(sent, '2'));
    expect(next.messages).toEqual(['2']);
    expect(notices.join()).toContain('is gone');
  });

  it('sends an event of several lines when the file has been quiet', async () => {
    const rules = { format: 'auto', multiline: true } as const;
    writeFileSync(path, '2026-11-22 10:00:00 ERROR no\n  at x\n');
    const producer = await following((sent) => seen(sent, 'no\n  at x'), { rules });
    expect(producer.events).toHaveLength(1);
  });

  it('begins again when the file was emptied', async () => {
    writeFileSync(path, 'first\nsecond\n');
    const producer = await following(async (sent) => {
      await seen(sent, 'second');
      truncateSync(path);
      appendFileSync(path, 'third\n');
      await seen(sent, 'third');
    });
    expect(producer.messages).toEqual(['first', 'second', 'third']);
  });
});
