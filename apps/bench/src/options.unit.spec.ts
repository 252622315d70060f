import { describe, expect, it } from '@jest/globals';
import { GROUPS, resultName } from './options.js';

describe('the name of what a run writes', () => {
  it.each([
    ['bench', { only: GROUPS, keys: undefined, backlog: undefined }],
    ['bench-http-drain', { only: ['http', 'drain'], keys: undefined, backlog: undefined }],
    ['bench-flat-100000000', { only: ['flat'], keys: 100_000_000, backlog: undefined }],
    ['bench-outbox-1000000', { only: ['outbox'], keys: undefined, backlog: 1_000_000 }],
  ] as const)('is %s', (name, options) => {
    expect(resultName(options)).toBe(name);
  });
});
