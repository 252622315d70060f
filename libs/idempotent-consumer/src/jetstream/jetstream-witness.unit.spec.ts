/** A leader that was cut off still answers, with an older end of the stream, and must not be believed. */
import { describe, expect, it } from '@jest/globals';
import type { StreamInfo } from '@nats-io/jetstream';
import { hasMajority } from './jetstream-witness.js';

const SECOND_NS = 1_000_000_000;

/** A stream whose leader heard from each replica that long ago; `undefined` is an offline replica. */
function heard(...secondsAgo: readonly (number | undefined)[]): Pick<StreamInfo, 'cluster'> {
  const replicas = secondsAgo.map((ago, n) => ({
    ...{ name: `n${n}`, current: true, active: (ago ?? 0) * SECOND_NS, offline: ago === undefined, lag: 0 },
  }));
  return { cluster: { leader: 'n', replicas } };
}

describe('the leader of a stream', () => {
  it.each([
    [true, 'stands alone', {}],
    [true, 'hears from both replicas', heard(1, 1)],
    [true, 'hears from one of two replicas', heard(60, 1)],
    [false, 'hears from none of two replicas', heard(60, 60)],
    [false, 'sees both replicas offline', heard(undefined, undefined)],
    [true, 'hears from two of four replicas', heard(1, 1, 60, 60)],
    [false, 'hears from one of four replicas', heard(1, 5, 60, undefined)],
  ])('is believed: %s, when it %s', (isBelieved, _what, info) => {
    expect(hasMajority(info)).toBe(isBelieved);
  });
});
