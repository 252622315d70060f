import { describe, expect, it } from '@jest/globals';
import { GROUPS, resultName } from './options.js';

const NONE = { keys: undefined, backlog: undefined, loads: undefined };

describe('the name of what a run writes', () => {
  it.each([
    ['bench', { ...NONE, only: GROUPS }],
    ['bench-http-drain', { ...NONE, only: ['http', 'drain'] }],
    ['bench-flat-100000000', { ...NONE, only: ['flat'], keys: 100_000_000 }],
    ['bench-outbox-1000000', { ...NONE, only: ['outbox'], backlog: 1_000_000 }],
    ['bench-flat-random-flat-bounded', { ...NONE, only: ['flat'], loads: ['flat-random', 'flat-bounded'] }],
  ] as const)('is %s', (name, options) => {
    expect(resultName(options)).toBe(name);
  });
});
