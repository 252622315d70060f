import { describe, expect, it } from '@jest/globals';
import { consumersHealth } from './consumer-health.js';

const of = (...states: string[]): ReturnType<typeof consumersHealth> =>
  consumersHealth(new Map(states.map((state, at) => [`c${at}`, { state, held: 1, quietMs: 1_499 }])));

describe('the health of a program of consumers', () => {
  it.each([
    { states: ['working', 'idle', 'standby'], isLive: true, isReady: true },
    { states: ['working', 'waiting'], isLive: true, isReady: false },
    { states: ['idle', 'disconnected'], isLive: true, isReady: false },
    { states: ['working', 'stuck'], isLive: false, isReady: false },
    { states: [], isLive: true, isReady: false },
  ])('$states: live $isLive, ready $isReady', ({ states, isLive, isReady }) => {
    expect(of(...states)).toMatchObject({ isLive, isReady });
  });

  it('names each consumer with its progress', () => {
    expect(of('idle').details).toEqual({ consumers: { c0: { state: 'idle', held: 1, quiet_seconds: 1 } } });
  });
});
