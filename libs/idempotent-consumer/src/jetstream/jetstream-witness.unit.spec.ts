/** A leader that was cut off still answers, with an older end of the stream: it must not be believed. */
import { describe, expect, it } from '@jest/globals';
import type { StreamInfo } from '@nats-io/jetstream';
import { hasMajority } from './jetstream-witness.js';

const SECOND_NS = 1_000_000_000;

/** A stream whose leader has heard of each of the others that long ago; `undefined` is one that is offline. */
function heard(...secondsAgo: readonly (number | undefined)[]): Pick<StreamInfo, 'cluster'> {
  const replicas = secondsAgo.map((ago, n) => ({
    ...{ name: `n${n}`, current: true, active: (ago ?? 0) * SECOND_NS, offline: ago === undefined, lag: 0 },
  }));
  return { cluster: { leader: 'n', replicas } };
}

describe('the leader of a stream', () => {
  it.each([
    ['stands alone', {}, true],
    ['hears of both others', heard(1, 1), true],
    ['hears of one of two', heard(60, 1), true],
    ['hears of none of two', heard(60, 60), false],
    ['sees both others offline', heard(undefined, undefined), false],
    ['hears of two of four', heard(1, 1, 60, 60), true],
    ['hears of one of four', heard(1, 5, 60, undefined), false],
  ])('that %s is believed: %#', (_what, info, isBelieved) => {
    expect(hasMajority(info)).toBe(isBelieved);
  });
});
