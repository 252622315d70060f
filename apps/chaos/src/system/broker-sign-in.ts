/**
 * URLs of brokers in the form that the client takes. User and password are separate, because it would silently drop
 * them from a URL.
 */

/** What `connect` needs to reach brokers. */
export interface BrokerDoors {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
}

/** @param urls the same user and password in each, or none */
export function brokerDoors(urls: readonly string[]): BrokerDoors {
  const parsed = urls.map((text) => new URL(text));
  const servers = parsed.map(({ host, protocol }) => `${protocol}//${host}`);
  const signedIn = parsed.find(({ username }) => username !== '');
  if (signedIn === undefined) return { servers };
  return {
    servers,
    user: decodeURIComponent(signedIn.username),
    pass: decodeURIComponent(signedIn.password),
  };
}
