import { describe, expect, it } from '@jest/globals';
import { BodyRoom } from './body-room.js';

const MB = 1_048_576;

describe('the room for bodies', () => {
  it('is shared by what has arrived, and has room again for what was given back', () => {
    const room = new BodyRoom();
    const [first, second] = [room.share(), room.share()];
    expect([first.growTo(10 * MB), second.growTo(2 * MB), second.growTo(2 * MB + 1)]).toStrictEqual([
      true,
      true,
      false,
    ]);
    first.giveBack();
    first.giveBack();
    expect([second.growTo(12 * MB), first.growTo(MB), second.growTo(17 * MB)]).toStrictEqual([
      true,
      false,
      true,
    ]);
  });

  it('has room for one body whatever its size, and for small ones beside it', () => {
    const room = new BodyRoom();
    const [large, small] = [room.share(), room.share()];
    expect([room.hasRoomFor(100 * MB), large.growTo(100 * MB)]).toStrictEqual([true, true]);
    expect([room.hasRoomFor(65_536), small.growTo(65_536), small.isLarge]).toStrictEqual([true, true, false]);
    expect([room.hasRoomFor(65_537), small.growTo(65_537), large.isLarge]).toStrictEqual([
      false,
      false,
      true,
    ]);
  });
});
