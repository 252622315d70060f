/** The binary mode of CloudEvents over HTTP: attributes in headers, data as the body. It is rewritten as JSON. */
import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';

const PREFIX = 'ce-';
const JSON_TYPE = /^[^;]*[/+]json\s*(;|$)/i;
const TEXT_TYPE = /^\s*(text\/|application\/(xml|[^;]*\+xml|x-www-form-urlencoded))/i;

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
  if (body.length > 0) attributes.push(dataMember(type, body));
  return `{${attributes.join(',')}}`;
}

function dataMember(type: string | undefined, body: Buffer): string {
  const isText = isUtf8(body);
  if (isText && (type === undefined || JSON_TYPE.test(type))) {
    const text = body.toString('utf8');
    // What is not JSON in spite of its type must not change the object around it.
    if (isJson(text)) return `"data":${text.trim()}`;
  } else if (isText && TEXT_TYPE.test(type ?? '') && !body.includes(0)) {
    return `"data":${JSON.stringify(body.toString('utf8'))}`;
  }
  return `"data_base64":${JSON.stringify(body.toString('base64'))}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
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
