import { describe, expect, it } from '@jest/globals';
import { BodyRoom } from './body-room.js';

const MB = 1_048_576;

describe('the room for bodies', () => {
  it('is shared by what has arrived, and has room again for what was given back', () => {
    const room = new BodyRoom();
    const [first, second] = [room.share('a'), room.share('a')];
    expect([first.growTo(10 * MB), second.growTo(2 * MB), second.growTo(2 * MB + 1)]).toStrictEqual([
      true,
      true,
      false,
    ]);
    first.shrinkTo(0);
    first.shrinkTo(0);
    expect([second.growTo(12 * MB), first.growTo(MB), second.growTo(17 * MB)]).toStrictEqual([
      true,
      false,
      true,
    ]);
    second.shrinkTo(11 * MB);
    expect([first.growTo(MB), first.growTo(MB + 1)]).toStrictEqual([true, false]);
  });

  it('has room for a single body of any size, and for small ones at the same time', () => {
    const room = new BodyRoom();
    const [large, small] = [room.share('a'), room.share('a')];
    expect([room.hasRoomFor(100 * MB, 'a'), large.growTo(100 * MB)]).toStrictEqual([true, true]);
    expect([room.hasRoomFor(65_536, 'a'), small.growTo(65_536), small.isLarge]).toStrictEqual([
      true,
      true,
      false,
    ]);
    expect([room.hasRoomFor(65_537, 'a'), small.growTo(65_537), large.isLarge]).toStrictEqual([
      false,
      false,
      true,
    ]);
  });

  it('is not for one client alone: its share leaves room for others, until all of it is taken', () => {
    const room = new BodyRoom();
    const [mine, mineToo, other, third] = ['a', 'a', 'b', 'c'].map((owner) => room.share(owner));
    expect(mine?.growTo(12 * MB)).toBe(true);
    expect(mineToo?.growTo(MB)).toBe(false);
    expect([room.hasRoomFor(12 * MB, 'b'), other?.growTo(12 * MB)]).toStrictEqual([true, true]);
    expect([room.hasRoomFor(MB, 'c'), third?.growTo(MB)]).toStrictEqual([false, false]);
    mine?.shrinkTo(0);
    expect([third?.growTo(MB), mineToo?.growTo(11 * MB)]).toStrictEqual([true, true]);
  });
});
