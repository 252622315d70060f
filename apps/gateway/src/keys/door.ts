/** Decides once, from the settings, which clients are admitted. */
import type { GatewaySettings } from '#config';

/** `open` admits every client that reaches the address. `keys` admits clients with a key. */
export type Door = 'open' | 'keys';

/** The settings that decide it. */
export type DoorSettings = Pick<
  GatewaySettings,
  | 'SEKALI_HTTP_HOST'
  | 'SEKALI_HTTP_KEYS_ON_LOOPBACK'
  | 'SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS'
  | 'SEKALI_HTTP_TRUST_PROXY'
>;

/**
 * The door of a gateway. On loopback a local system is open by default. Behind a proxy, loopback is not local, because
 * the proxy lets the network in. Everywhere else keys are required.
 */
export function doorOf(settings: DoorSettings): Door {
  if (settings.SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS === 'true') return 'open';
  if (settings.SEKALI_HTTP_KEYS_ON_LOOPBACK === 'true') return 'keys';
  if (settings.SEKALI_HTTP_TRUST_PROXY !== undefined) return 'keys';
  return isLoopback(settings.SEKALI_HTTP_HOST) ? 'open' : 'keys';
}

/** Whether only users of this machine reach the gateway: it is open, on loopback, and without a proxy. */
export function isLocal(settings: DoorSettings): boolean {
  return (
    doorOf(settings) === 'open' &&
    settings.SEKALI_HTTP_TRUST_PROXY === undefined &&
    isLoopback(settings.SEKALI_HTTP_HOST)
  );
}

/** Whether only this machine can reach an address. A name other than localhost may resolve to any address. */
function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/i.test(host);
}
