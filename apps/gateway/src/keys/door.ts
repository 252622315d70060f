/** Who is let in: decided once, from the settings. */
import type { GatewaySettings } from '#config';

/** `open`: everyone who reaches the address. `keys`: whoever has one. */
export type Door = 'open' | 'keys';

/**
 * The door of a gateway. On loopback a local system runs open, unless told otherwise; behind a proxy loopback is not
 * local, since the proxy lets the network in. Everywhere else keys are asked for.
 */
export function doorOf(
  settings: Pick<
    GatewaySettings,
    | 'SEKALI_HTTP_HOST'
    | 'SEKALI_HTTP_KEYS_ON_LOOPBACK'
    | 'SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS'
    | 'SEKALI_HTTP_TRUST_PROXY'
  >,
): Door {
  if (settings.SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS === 'true') return 'open';
  if (settings.SEKALI_HTTP_KEYS_ON_LOOPBACK === 'true') return 'keys';
  if (settings.SEKALI_HTTP_TRUST_PROXY !== undefined) return 'keys';
  return isLoopback(settings.SEKALI_HTTP_HOST) ? 'open' : 'keys';
}

/** Whether only this machine can reach an address. A name other than localhost may lead anywhere. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/i.test(host);
}
