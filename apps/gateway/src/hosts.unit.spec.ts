import { describe, expect, it } from '@jest/globals';
import { hostTest } from './hosts.js';

describe('the hosts of an open gateway', () => {
  const served = (host: string, named?: string, address = '127.0.0.1'): boolean =>
    hostTest({ SEKALI_HTTP_HOST: address, SEKALI_HTTP_HOSTS: named })(host);

  it.each(['localhost', 'LOCALHOST:8080', '127.0.0.1', '127.0.0.1:1', '[::1]', '[::1]:65535', 'localhost:'])(
    'are its own: %s',
    (host) => {
      expect(served(host)).toBe(true);
    },
  );

  it.each([
    ...['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', 'evil.example:8080', '0.0.0.0'],
    ...[
      '',
      'localhost@evil.example',
      'localhost/evil',
      '[::1',
      '::1',
      '[::2]',
      'localhost:80:80',
      'localhost:x',
    ],
  ])('do not include %s', (host) => {
    expect(served(host)).toBe(false);
  });

  it('are those of the settings too', () => {
    const named = 'gateway.example, [fd00::1]';
    expect(['Gateway.Example:80', '[fd00::1]', 'other.example'].map((host) => served(host, named))).toEqual([
      true,
      true,
      false,
    ]);
    expect(served('10.0.0.5:8080', undefined, '10.0.0.5')).toBe(true);
    expect(served('[fd00::5]', undefined, 'fd00::5')).toBe(true);
    expect(served('0.0.0.0', undefined, '0.0.0.0')).toBe(false);
  });
});
