import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { newApiKeyToken } from '#contracts';
import { tokenOf, withoutQueryToken } from './token.js';

const TOKEN = newApiKeyToken();
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const requestWith = (headers: Readonly<Record<string, string>>): IncomingMessage =>
  ({ headers }) as unknown as IncomingMessage;

describe('the token of a request', () => {
  it.each([
    [{ authorization: `Bearer ${TOKEN}` }],
    [{ authorization: `bearer   ${TOKEN} ` }],
    [{ authorization: `Basic ${base64(`anyone:${TOKEN}`)}` }],
    [{ authorization: `Basic ${base64(`${TOKEN}:`)}` }],
    [{ authorization: `ApiKey ${base64(`id:${TOKEN}`)}` }],
    [{ authorization: `ApiKey ${TOKEN}` }],
    [{ 'x-api-key': TOKEN }],
    [{ authorization: 'Basic dTpw', 'x-api-key': TOKEN }],
  ])('is found in %j', (headers) => {
    expect(tokenOf(requestWith(headers), false)).toBe(TOKEN);
  });

  it.each([[{}], [{ authorization: 'Basic' }], [{ authorization: 'Digest x' }], [{ 'x-api-key': '' }]])(
    'is none in %j',
    (headers) => {
      expect(tokenOf(requestWith(headers), true)).toBeUndefined();
    },
  );

  it('leaves the address, and counts only where a route allows it', () => {
    const ways = [
      [`/a?access_token=${TOKEN}`, '/a'],
      [`/a?x=1&access_token=${TOKEN}&y=%20`, '/a?x=1&y=%20'],
      [`/a?%61ccess_token=${TOKEN}&access_token=b`, '/a'],
    ] as const;
    for (const [url, left] of ways) {
      const request = requestWith({});
      expect(withoutQueryToken(request, url)).toBe(left);
      expect([tokenOf(request, true), tokenOf(request, false)]).toEqual([TOKEN, undefined]);
    }
    for (const url of ['/a', '/a?', '/a?x=access_token', '/a?access=1&b=%ff'])
      expect(withoutQueryToken(requestWith({}), url)).toBe(url);
  });
});
