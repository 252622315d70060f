import { describe, expect, it } from '@jest/globals';
import { ProblemError } from '../problems/problem-error.js';
import { PageRoom, type PageRoomBounds } from './page-room.js';

const BOUNDS: PageRoomBounds = {
  bytesMax: 1_000,
  pageBytesMax: 400,
  pageBytesMin: 100,
  readerBytesMax: 600,
  waitMsMax: 50,
  waitingMax: 2,
  readerWaitingMax: 2,
};
const LONG = { ...BOUNDS, waitMsMax: 60_000 };

async function refused(taking: Promise<unknown>): Promise<boolean> {
  return taking.then(
    () => false,
    (error: unknown) =>
      error instanceof ProblemError && error.problem.status === 503 && 'retry-after' in error.headers,
  );
}

describe('the room for pages', () => {
  it('cuts pages smaller as it fills up, and never gives more than there is', async () => {
    const room = new PageRoom(BOUNDS);
    const shares = [];
    for (let n = 0; n < 5; n++) shares.push(await room.take(`reader ${n}`, 10_000));
    expect(shares.map(({ bytes }) => bytes)).toEqual([300, 300, 200, 100, 100]);
    expect(await refused(room.take('one more', 10_000))).toBe(true);
  });

  it('takes back the unused room of a page, and all of it once the page is sent', async () => {
    const room = new PageRoom(BOUNDS);
    const first = await room.take('a', 400);
    first.shrinkTo(10);
    const second = await room.take('a', 400);
    expect(second.bytes).toBe(295);
    first.release();
    first.release();
    second.release();
    expect((await room.take('a', 400)).bytes).toBe(300);
  });

  it('admits waiting pages as soon as there is room', async () => {
    const room = new PageRoom(LONG);
    const held = await Promise.all(['a', 'b', 'c', 'd', 'h'].map(async (reader) => room.take(reader, 400)));
    const waiting = room.take('e', 400);
    for (const share of held) share.release();
    expect((await waiting).bytes).toBeGreaterThanOrEqual(100);
  });

  it('gives one reader only a part, and admits others while that reader waits', async () => {
    const room = new PageRoom(LONG);
    const held = [await room.take('a', 400), await room.take('a', 400), await room.take('a', 400)];
    expect(held.map(({ bytes }) => bytes)).toEqual([300, 150, 100]);
    let isIn = false;
    const waiting = room.take('a', 400).then((share) => {
      isIn = true;
      return share;
    });
    expect((await room.take('b', 400)).bytes).toBe(225);
    expect(isIn).toBe(false);
    held[0]?.release();
    expect((await waiting).bytes).toBeLessThanOrEqual(350);
  });

  it('leaves places to wait to others, however many pages a reader asks for', async () => {
    const room = new PageRoom({ ...LONG, waitingMax: 3, readerWaitingMax: 2 });
    const held = await Promise.all(['a', 'b', 'c', 'd', 'h'].map(async (reader) => room.take(reader, 400)));
    const waiting = [room.take('e', 400), room.take('e', 400)];
    expect(await refused(room.take('e', 400))).toBe(true);
    waiting.push(room.take('f', 400));
    for (const share of held) share.release();
    for (const share of waiting) expect((await share).bytes).toBeGreaterThanOrEqual(100);
  });

  it('refuses a page that waited too long with 503 and Retry-After, and any page at once when too many wait', async () => {
    const room = new PageRoom(BOUNDS);
    for (const reader of ['a', 'b', 'c', 'd', 'h']) await room.take(reader, 400);
    expect(await Promise.all(['e', 'f', 'g'].map(async (reader) => refused(room.take(reader, 400))))).toEqual(
      [true, true, true],
    );
  });
});
