/** What may be wrong with a request: its key, its method, its address, its headers, or its body. */
import fc, { type Arbitrary } from 'fast-check';

/** A request, in parts that can be changed one by one. */
export interface DescribedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
  /** The name of the key; `undefined` for none. */
  readonly key: string | undefined;
}

/** Changes a request. */
export type Fault = (request: DescribedRequest) => DescribedRequest;

/** The value of a header that every client sends unchanged. */
export const HEADER_VALUE = /^[!-~]([ -~]*[!-~])?$/;
/** Types of bodies. */
export const ANY_TYPES = ['text/plain', 'application/json', 'application/octet-stream', 'image/png'];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const KEYS = [undefined, 'unknown', 'all', 'publish', 'read', 'admin', 'bound'];
/** Methods of requests that clients send without a body. */
const BODILESS = ['GET', 'HEAD'];

/** One to three faults. */
export function faults(): Arbitrary<Fault[]> {
  const text = fc.string({ unit: 'grapheme', maxLength: 30 });
  const headerText = fc.string({ maxLength: 30 }).filter((one) => HEADER_VALUE.test(one));
  const at = fc.nat();
  const fault = fc.oneof(
    fc.constantFrom(...KEYS).map(withKey),
    fc.constantFrom(...METHODS).map(withMethod),
    fc.constantFrom('/x', '/%zz', '/').map(withEnd),
    fc.tuple(text, text).map(withParameter),
    fc.tuple(at, text).map(withValue),
    fc.tuple(at, headerText).map(withHeader),
    fc.constantFrom(...ANY_TYPES).map(withType),
    fc.oneof(fc.json(), text).map((body) => withBody(() => Buffer.from(body))),
    fc.nat(200).map((length) => withBody((body) => body?.subarray(0, length))),
    fc.tuple(at, fc.jsonValue()).map(withMember),
  );
  return fc.array(fault, { minLength: 1, maxLength: 3 });
}

function withKey(key: string | undefined): Fault {
  return (request) => ({ ...request, key });
}

function withMethod(method: string): Fault {
  return (request) => ({ ...request, method, ...(BODILESS.includes(method) && { body: undefined }) });
}

function withEnd(end: string): Fault {
  return (request) => ({ ...request, path: request.path + end });
}

function withParameter(parameter: readonly [string, string]): Fault {
  return (request) => ({ ...request, query: [...request.query, parameter] });
}

function withValue([index, value]: readonly [number, string]): Fault {
  return (request) => {
    const at = index % Math.max(1, request.query.length);
    return {
      ...request,
      query: request.query.map(([name, old], place) => [name, place === at ? value : old]),
    };
  };
}

function withHeader([index, value]: readonly [number, string]): Fault {
  return (request) => {
    const names = Object.keys(request.headers);
    const name = names[index % Math.max(1, names.length)];
    return name === undefined ? request : { ...request, headers: { ...request.headers, [name]: value } };
  };
}

function withType(type: string): Fault {
  return (request) => ({ ...request, headers: { ...request.headers, 'content-type': type } });
}

function withBody(change: (body: Buffer | undefined) => Buffer | undefined): Fault {
  return (request) =>
    BODILESS.includes(request.method) ? request : { ...request, body: change(request.body) };
}

/** Replaces one member of a JSON object, or leaves it out. */
function withMember([index, value]: readonly [number, unknown]): Fault {
  return withBody((body) => {
    try {
      const object = JSON.parse(body?.toString() ?? '') as Record<string, unknown>;
      const names = Object.keys(object);
      const name = names[index % Math.max(1, names.length)];
      return name === undefined
        ? body
        : Buffer.from(JSON.stringify({ ...object, [name]: value ?? undefined }));
    } catch {
      return body;
    }
  });
}
