/** The binary mode of CloudEvents over HTTP: attributes in headers, data as the body. It is rewritten as JSON. */
import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { bodyMember } from '../publish/body-member.js';

const PREFIX = 'ce-';

/** Whether a request is in the binary mode. */
export function isBinaryMode(headers: IncomingHttpHeaders): boolean {
  return headers['ce-specversion'] !== undefined;
}

/**
 * A CloudEvent of the binary mode in its JSON format.
 *
 * Data of a JSON type keeps its characters. Text becomes a string, and anything else `data_base64`.
 *
 * @param body the data
 */
export function structuredText(headers: IncomingHttpHeaders, body: Buffer): string {
  const attributes = Object.entries(headers)
    .filter(([name]) => name.startsWith(PREFIX))
    .map(
      ([name, value]) =>
        `${JSON.stringify(name.slice(PREFIX.length))}:${JSON.stringify(decoded(String(value)))}`,
    );
  const type = headers['content-type'];
  if (type !== undefined) attributes.push(`"datacontenttype":${JSON.stringify(type)}`);
  if (body.length > 0) attributes.push(bodyMember('data', type, body).text);
  return `{${attributes.join(',')}}`;
}

/** The value of a header: perhaps quoted, and with percent-encoded UTF-8 (HTTP Protocol Binding, 3.1.3.2). */
function decoded(value: string): string {
  // Node reads a header as Latin-1. Some clients send that, and others send UTF-8.
  const bytes = Buffer.from(value, 'latin1');
  const text = isUtf8(bytes) ? bytes.toString('utf8') : value;
  const plain = /^"(?:[^"\\]|\\.)*"$/.test(text) ? text.slice(1, -1).replaceAll(/\\(.)/g, '$1') : text;
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}
