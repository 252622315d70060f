import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { GatewaySettings } from '#config';

const SETTINGS = ['SEKALI_HTTP_TLS_CERT_FILE', 'SEKALI_NATS_CA_FILE', 'SEKALI_POSTGRES_CA_FILE'] as const;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;

/**
 * Reads when the certificates of a gateway expire. A file is read at each call, because it may be replaced.
 *
 * @returns the earliest end in the file of each setting, in seconds since 1970; nothing for a file that cannot be read
 */
export function certificateEnds(
  settings: Pick<GatewaySettings, (typeof SETTINGS)[number]>,
): Record<string, number> {
  const ends: Record<string, number> = {};
  for (const setting of SETTINGS) {
    const path = settings[setting];
    const end = path === undefined ? undefined : earliestEnd(path);
    if (end !== undefined) ends[setting] = end;
  }
  return ends;
}

function earliestEnd(path: string): number | undefined {
  try {
    const texts = readFileSync(path, 'utf8').match(CERTIFICATE) ?? [];
    const endsMs = texts.map((text) => Date.parse(new X509Certificate(text).validTo));
    return endsMs.length === 0 ? undefined : Math.min(...endsMs) / 1_000;
  } catch {
    // It is reported where the certificate is used.
    return undefined;
  }
}
