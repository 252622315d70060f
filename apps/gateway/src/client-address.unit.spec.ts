import { describe, expect, it } from '@jest/globals';
import { addressTest, clientOf } from './client-address.js';

describe('the client of an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['x'.repeat(8_000), 'unknown'],
    ['', 'unknown'],
    [undefined, 'unknown'],
  ])('%s is of %s', (address, client) => {
    expect(clientOf(address)).toBe(client);
  });
});

describe('a list of addresses', () => {
  const isListed = addressTest('loopback, 10.1.0.0/16,203.0.113.7, fd00::/8');

  it.each([
    ['127.0.0.9', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.1.255.1', true],
    ['10.2.0.1', false],
    ['203.0.113.7', true],
    ['fd12::1', true],
    ['fe80::1', false],
    ['nonsense', false],
    [undefined, false],
  ])('has %s in it: %s', (address, expected) => {
    expect(isListed(address)).toBe(expected);
  });

  it('has nothing in it when there is none', () => {
    expect(addressTest(undefined)('127.0.0.1')).toBe(false);
  });
});
