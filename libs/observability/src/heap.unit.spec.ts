/** The deployed programs are started with the arguments they are measured with. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { HEAP_ARGUMENTS } from './heap.js';

describe('the deployment', () => {
  it.each([
    ['docker-compose.yml', 2],
    ['deploy/Dockerfile', 1],
  ])('in %s starts the gateway and the worker with the arguments for their heap', (file, count) => {
    const text = readFileSync(file, 'utf8').replaceAll('"', "'");
    const starts = [...text.matchAll(/\['node', (.*)'dist\/apps\/(?:gateway|worker)\/src\/main\.js'\]/g)];
    const expected = HEAP_ARGUMENTS.map((argument) => `'${argument}', `).join('');
    expect(starts.map(([, given]) => given)).toEqual(Array.from({ length: count }, () => expected));
  });
});
