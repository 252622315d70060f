/** `/` is the page for a browser, and the product for a client of Elasticsearch. What the page loads is kept for ever. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { createTestSystem } from '#testing';
import { DeadLetterFixture } from '../test/dead-letter-fixture.js';
import { problemOf, RunningGateway } from '../test/running-gateway.js';
import { PAGE_NAME, readPageFiles } from './page-files.js';

const START_MS_MAX = 60_000;
const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
/** All that a browser loads, compressed. */
const PAGE_BYTES_MAX = 60 * 1_024;

let gateway: RunningGateway;

beforeAll(async () => {
  gateway = await RunningGateway.start((await createTestSystem({ replicas: 1 })).environment);
}, START_MS_MAX);

async function loadedNames(): Promise<string[]> {
  const { text } = await gateway.get('/', { headers: BROWSER });
  return [...text.matchAll(/(?:src|href)="\/page\/([^"]+)"/g)].map(([, name = '']) => name);
}

describe('the page', () => {
  it('is the answer to a browser at /, under a policy that lets nothing else in', async () => {
    const { status, headers, text } = await gateway.get('/', { headers: BROWSER });
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(text).toContain('<title>Sekali</title>');
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|https:|\*/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-cache');
    expect(headers.get('vary')).toMatch(/Accept\b/);
  });

  it.each([undefined, '*/*', 'application/json', 'application/vnd.elasticsearch+json; compatible-with=9'])(
    'is not the answer to a client of Elasticsearch that takes %s',
    async (accept) => {
      const { headers, text } = await gateway.get('/', { headers: accept === undefined ? {} : { accept } });
      expect(JSON.parse(text)).toMatchObject({
        cluster_name: 'sekali',
        version: { build_flavor: 'default' },
      });
      expect(headers.get('x-elastic-product')).toBe('Elasticsearch');
      expect(headers.get('vary')).toMatch(/Accept\b/);
    },
  );

  it('loads files of this gateway alone, whose names change with their content', async () => {
    const names = await loadedNames();
    expect(names.length).toBeGreaterThanOrEqual(3);
    for (const name of names) {
      expect(name).toMatch(/-[A-Za-z0-9_-]{8}\.(?:js|css|svg)$/);
      const { status, headers } = await gateway.get(`/page/${name}`);
      expect([name, status, headers.get('cache-control')]).toEqual([
        ...[name, 200],
        'public, max-age=31536000, immutable',
      ]);
    }
  });

  it('is sent in the encoding that the browser takes, and is small', async () => {
    let bytes = 0;
    for (const [name, { bytes: plain, encoded }] of readPageFiles()) {
      expect([name, brotliDecompressSync(encoded.br ?? '').equals(plain)]).toEqual([name, true]);
      expect([name, gunzipSync(encoded.gzip ?? '').equals(plain)]).toEqual([name, true]);
      bytes += encoded.gzip?.length ?? 0;
    }
    expect(bytes).toBeLessThan(PAGE_BYTES_MAX);
    const name = (await loadedNames()).find((one) => one.endsWith('.js')) ?? '';
    const encodingFor = async (accepted: string): Promise<string | null> => {
      const { headers } = await gateway.get(`/page/${name}`, { headers: { 'accept-encoding': accepted } });
      return headers.get('content-encoding');
    };
    expect(await encodingFor('gzip, deflate, br')).toBe('br');
    expect(await encodingFor('gzip, br;q=0')).toBe('gzip');
    expect(await encodingFor('identity')).toBeNull();
  });

  it('is not sent again to a browser that has it', async () => {
    const { headers } = await gateway.get('/', { headers: BROWSER });
    const again = await gateway.get('/', {
      headers: { ...BROWSER, 'if-none-match': headers.get('etag') ?? '' },
    });
    expect([again.status, again.text]).toEqual([304, '']);
  });

  it.each([
    'none.js',
    '..%2Fpackage.json',
    '%2e%2e%2f%2e%2e%2fpackage.json',
    `${PAGE_NAME}.br`,
    'constructor',
  ])('has no file %s', async (name) => {
    expect(problemOf(await gateway.get(`/page/${name}`)).type).toMatch(/unknown-page-file$/);
  });
});

describe('where keys are required', () => {
  it('a browser gets the page without one, and a client of Elasticsearch does not get in', async () => {
    const keyed = await DeadLetterFixture.start({ name: 'operator' });
    const { status, headers } = await keyed.gateway.get('/', { headers: BROWSER });
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const [name = ''] = await loadedNames();
    expect((await keyed.gateway.get(`/page/${name}`)).status).toBe(200);
    expect((await keyed.gateway.get('/')).status).toBe(401);
    expect((await keyed.gateway.get('/', { method: 'POST', headers: BROWSER })).status).toBe(401);
    expect((await keyed.gateway.get('/stats', { headers: BROWSER })).status).toBe(401);
  });
});
