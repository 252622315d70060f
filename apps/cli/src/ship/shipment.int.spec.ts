/** Shipping real files that end, grow, rotate and shrink. The lines are recorded instead of sent. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '#testing';
import { InFlight } from '../in-flight.js';
import type { OutgoingEvent, Producer, SendOutcome } from '../producer.js';
import { Bookmark } from './bookmark.js';
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

  async function following(work: (producer: Recorder) => Promise<void>): Promise<Recorder> {
    const producer = new Recorder();
    const done = ship(producer, { follow: true });
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
      await seen(sent, 'new 1');
    });
    expect(producer.messages).toEqual(['old 1', 'old 2', 'old 3', 'new 1']);
    expect(new Set(producer.ids).size).toBe(4);
    expect(notices.join()).toContain('rotated');
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
