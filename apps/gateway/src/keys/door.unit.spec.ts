import { describe, expect, it } from '@jest/globals';
import { readGatewaySettings } from '#config';
import { doorOf, isLocal } from './door.js';

const OPEN = 'SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS';

describe('the door', () => {
  it.each([
    [{}, 'open'],
    [{ SEKALI_HTTP_HOST: 'localhost' }, 'open'],
    [{ SEKALI_HTTP_HOST: '::1' }, 'open'],
    [{ SEKALI_HTTP_HOST: '127.1.2.3' }, 'open'],
    [{ SEKALI_HTTP_HOST: '0.0.0.0' }, 'keys'],
    [{ SEKALI_HTTP_HOST: '::' }, 'keys'],
    [{ SEKALI_HTTP_HOST: '192.168.1.5' }, 'keys'],
    [{ SEKALI_HTTP_HOST: '127.0.0.1.example.org' }, 'keys'],
    [{ SEKALI_HTTP_HOST: 'localhost.example.org' }, 'keys'],
    [{ SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' }, 'keys'],
    [{ SEKALI_HTTP_TRUST_PROXY: 'loopback' }, 'keys'],
    [{ SEKALI_HTTP_HOST: '0.0.0.0', [OPEN]: 'true' }, 'open'],
    [{ SEKALI_HTTP_TRUST_PROXY: 'loopback', [OPEN]: 'true' }, 'open'],
  ])('of %j is %s', (environment, door) => {
    expect(doorOf(readGatewaySettings(environment))).toBe(door);
  });

  it('is local only where it is open on loopback without a proxy', () => {
    const local = (environment: Record<string, string>): boolean => isLocal(readGatewaySettings(environment));
    expect(local({})).toBe(true);
    expect(local({ SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' })).toBe(false);
    expect(local({ SEKALI_HTTP_HOST: '0.0.0.0', [OPEN]: 'true' })).toBe(false);
    expect(local({ SEKALI_HTTP_TRUST_PROXY: 'loopback', [OPEN]: 'true' })).toBe(false);
  });
});
