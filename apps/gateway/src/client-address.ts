/** Identifies a client by its address. Connections, room and failures are counted by it. */
import { BlockList, isIP, isIPv4 } from 'node:net';

const NAMED_RANGES: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};
const MAPPED_IPV4 = /^::ffff:(?=\d+\.)/i;
const GROUPS = 8;
/** Groups of an IPv6 address that name a network. One client may use every address of it. */
const NETWORK_GROUPS = 4;

/**
 * The client of an address: an IPv4 address, or the network of an IPv6 address. The result is short for any input,
 * because behind a proxy an address is what the proxy says.
 */
export function clientOf(address: string | undefined): string {
  const plain = address?.replace(MAPPED_IPV4, '') ?? '';
  const version = isIP(plain);
  if (version === 4) return plain;
  return version === 6 ? `${networkOf(plain)}::/64` : 'unknown';
}

/** Returns a test for addresses in a list of addresses, ranges and names of ranges, joined by commas. */
export function addressTest(list: string | undefined): (address: string | undefined) => boolean {
  if (list === undefined) return () => false;
  const listed = new BlockList();
  for (const word of list.split(',').map((one) => one.trim())) {
    for (const range of NAMED_RANGES[word] ?? [word]) addRange(listed, range);
  }
  return (address) => {
    const plain = address?.replace(MAPPED_IPV4, '') ?? '';
    return isIP(plain) !== 0 && listed.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6');
  };
}

function addRange(listed: BlockList, range: string): void {
  const [address = '', bits] = range.split('/');
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  if (bits === undefined) listed.addAddress(address, family);
  else listed.addSubnet(address, Number(bits), family);
}

function networkOf(address: string): string {
  const [head = '', tail] = (address.split('%', 1)[0] ?? '').split('::');
  const [left, right] = [groupsOf(head), groupsOf(tail ?? '')];
  const between = Array<string>(Math.max(0, GROUPS - left.length - right.length)).fill('0');
  const groups = tail === undefined ? left : [...left, ...between, ...right];
  return groups
    .slice(0, NETWORK_GROUPS)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}
