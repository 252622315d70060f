/** The binary mode of CloudEvents over HTTP: attributes in headers, data as the body. It is rewritten as JSON. */
import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { structuredText } from '#contracts';

const PREFIX = 'ce-';

/** Whether a request is in the binary mode. */
export function isBinaryMode(headers: IncomingHttpHeaders): boolean {
  return headers['ce-specversion'] !== undefined;
}

/**
 * A CloudEvent of the binary mode in its JSON format.
 *
 * @param body the data
 */
export function binaryText(headers: IncomingHttpHeaders, body: Buffer): string {
  const attributes = Object.entries(headers)
    .filter(([name]) => name.startsWith(PREFIX))
    .map(([name, value]) => [name.slice(PREFIX.length), utf8Of(String(value))] as const);
  return structuredText(attributes, headers['content-type'], body);
}

/** Node reads a header as Latin-1. Some clients send that, and others send UTF-8. */
function utf8Of(value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : value;
}
