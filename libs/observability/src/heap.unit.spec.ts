/** The deployed worker starts with the arguments that were measured. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { WORKER_HEAP_ARGUMENTS } from './heap.js';

describe('the deployment', () => {
  it('starts workers with the arguments for their heap', () => {
    const text = readFileSync('docker-compose.yml', 'utf8');
    const starts = [...text.matchAll(/\['node', (.*)'dist\/apps\/worker\/src\/main\.js'\]/g)];
    const expected = WORKER_HEAP_ARGUMENTS.map((argument) => `'${argument}', `).join('');
    expect(starts.map(([, given]) => given)).toEqual([expected]);
  });
});
