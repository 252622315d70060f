import { describe, expect, it } from '@jest/globals';
import { GROUPS, resultName } from './options.js';

describe('the name of what a run writes', () => {
  it.each([
    ['bench', { only: GROUPS, keys: undefined, loads: undefined }],
    ['bench-http-drain', { only: ['http', 'drain'], keys: undefined, loads: undefined }],
    ['bench-flat-100000000', { only: ['flat'], keys: 100_000_000, loads: undefined }],
    [
      'bench-flat-random-flat-bounded',
      { only: ['flat'], keys: undefined, loads: ['flat-random', 'flat-bounded'] },
    ],
  ] as const)('is %s', (name, options) => {
    expect(resultName(options)).toBe(name);
  });
});
