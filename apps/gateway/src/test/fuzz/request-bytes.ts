/** Requests as bytes, composed without a client that would correct them. Some of them no client would send. */
import fc from 'fast-check';

/** Names and values in the order in which they are sent. */
export type Headers = readonly (readonly [string, string])[];

const hidden = 'GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n';
/** Requests that two servers may interpret differently. */
export const smuggled: fc.Arbitrary<Buffer> = fc
  .constantFrom(
    `POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 0\r\n\r\n${hidden}`,
    `POST /publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n${hidden}`,
    `POST /publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    `POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n{}`,
    'GET /stats HTTP/1.1\r\n\r\n',
    'GET /stats HTTP/1.0\r\n\r\n',
    `GET /stats HTTP/1.1\nHost: localhost\n\n`,
    `GET /stats HTTP/0.9\r\n\r\n`,
    `GET /stats HTTP/1.1\r\nHost: localhost\r\n folded: 1\r\n\r\n`,
    `GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
    `GET /${'a'.repeat(30_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `GET / HTTP/1.1\r\n${'X: y\r\n'.repeat(3_000)}\r\n`,
  )
  .map((text) => Buffer.from(text));

/** A request with unchanged parts: nothing is escaped and nothing is checked. */
export function request(
  method: string,
  target: string,
  headers: Headers = [],
  body: string | Buffer = '',
): Buffer {
  const content = Buffer.from(body);
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  if (content.length > 0 || method === 'POST') lines.push(`Content-Length: ${content.length}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), content]);
}
