/** Requests that the description permits, and the same with something wrong in them. */
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import fc, { type Arbitrary } from 'fast-check';
import { textOf } from '../../description/markup.js';
import type { Content, Schema } from '../../description/operation.js';
import { answersOf, type DocumentOperation, type OpenApiDocument } from '../../description/openapi.js';
import { PROBLEM_MEDIA_TYPE } from '../../description/refusals.js';
import { ANY_TYPES, faults, HEADER_VALUE, type DescribedRequest } from './request-faults.js';
import type { DescribedSchemas } from './described-schemas.js';
import { DescribedValues } from './described-values.js';

const ENCODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
};
const LINES_MAX = 5;
const BODY_WEIGHT = 5;

interface Value {
  readonly name: string;
  readonly in: string;
  readonly value: string;
  readonly isGiven: boolean;
}

/** Draws requests of one document. */
export class DescribedRequests {
  private readonly values: DescribedValues;

  constructor(
    private readonly document: OpenApiDocument,
    private readonly schemas: DescribedSchemas,
    known: Readonly<Record<string, readonly string[]>>,
  ) {
    this.values = new DescribedValues(schemas, known);
  }

  /**
   * Requests of all operations, with a key for everything. Those with a body are drawn more often. Signatures cannot be
   * drawn, so the operations that need one are left out, as are those whose answer never ends.
   */
  permitted(): Arbitrary<DescribedRequest> {
    return this.ofOperations(({ 'x-signed': isSigned }) => isSigned !== true);
  }

  /** A request with each example of a body. Parameters have their examples, and others are left out. */
  examples(): DescribedRequest[] {
    return Object.entries(this.document.paths).flatMap(([route, methods]) =>
      Object.entries(methods).flatMap(([method, operation]) => {
        const values = operation.parameters.flatMap((one): Value[] =>
          one['example'] === undefined
            ? []
            : [
                {
                  ...{ name: String(one['name']), in: String(one['in']) },
                  ...{ value: textOf(one['example']), isGiven: true },
                },
              ],
        );
        return Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, content]) =>
          exampleBodies(content).map((body) =>
            requestOf(route, method, values, { 'content-type': type }, bytesOf(body)),
          ),
        );
      }),
    );
  }

  /** The same requests with one to three faults. */
  disturbed(): Arbitrary<DescribedRequest> {
    return fc
      .tuple(
        this.ofOperations(() => true),
        faults(),
      )
      .map(([request, changes]) => changes.reduce((changed, change) => change(changed), request));
  }

  private ofOperations(isMeant: (operation: DocumentOperation) => boolean): Arbitrary<DescribedRequest> {
    const all = Object.entries(this.document.paths).flatMap(([route, methods]) =>
      Object.entries(methods)
        .filter(([, operation]) => operation['x-endless'] !== true && isMeant(operation))
        .map(([method, operation]) => ({
          // There are many routes that take little. A body has more that may be wrong with it.
          weight: operation.requestBody?.required === true ? BODY_WEIGHT : 1,
          arbitrary: this.ofOperation(route, method, operation),
        })),
    );
    return fc.oneof(...all);
  }

  private ofOperation(
    route: string,
    method: string,
    operation: DocumentOperation,
  ): Arbitrary<DescribedRequest> {
    const contents = Object.entries(operation.requestBody?.content ?? {});
    const isFree = operation.requestBody?.required !== true;
    const bodies = contents.map(([type, content]) => this.body(route, method, type, content));
    // No body is one of any type.
    const needed = operation.requestBody?.content['*/*']?.['x-required-parameters'] ?? [];
    if (isFree) bodies.push(fc.constant({ type: undefined, bytes: undefined, needed }));
    const types = answersOf(operation, this.document.components).flatMap(([, { content = {} }]) =>
      Object.keys(content).filter((type) => type !== PROBLEM_MEDIA_TYPE),
    );
    const drawn = fc.tuple(
      fc.oneof(...bodies),
      fc.constantFrom(undefined, ...types),
      this.parameters(operation),
    );
    return drawn.map(([body, accept, values]) => {
      const given = values.filter(({ name, isGiven }) => isGiven || body.needed.includes(name));
      const encode = ENCODERS[given.find(({ name }) => name === 'Content-Encoding')?.value ?? ''];
      const bytes = body.bytes && (encode?.(body.bytes) ?? body.bytes);
      const types = {
        ...(accept !== undefined && { accept }),
        ...(body.type !== undefined && { 'content-type': body.type }),
      };
      return requestOf(route, method, given, types, bytes);
    });
  }

  private parameters(operation: DocumentOperation): Arbitrary<Value[]> {
    const drawn = operation.parameters
      .map((one) => this.schemas.resolved(one))
      .map((one) => {
        const { name, in: place, schema } = one as { name: string; in: string; schema: Schema };
        // An opaque value comes from an answer, and cannot be invented.
        if (schema['x-opaque'] === true) return fc.constant({ name, in: place, value: '', isGiven: false });
        const value = this.values.of(schema).map(String).filter(isSendable(place));
        const isGiven = one['required'] === true ? fc.constant(true) : fc.boolean();
        return fc.record({ name: fc.constant(name), in: fc.constant(place), value, isGiven });
      });
    return fc.tuple(...drawn);
  }

  private body(
    route: string,
    method: string,
    type: string,
    content: Content,
  ): Arbitrary<{ type: string | undefined; bytes: Buffer | undefined; needed: readonly string[] }> {
    const needed = content['x-required-parameters'] ?? [];
    if (type === '*/*') {
      const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.string(), fc.json());
      return fc
        .tuple(fc.constantFrom(...ANY_TYPES), bytes)
        .map(([any, data]) => ({ type: any, bytes: Buffer.from(data as string), needed }));
    }
    const line = content.schema['x-line'] as Schema | undefined;
    const examples = exampleBodies(content);
    if (content.schema['x-opaque'] === true)
      return fc.constantFrom(...examples).map((one) => ({ type, bytes: bytesOf(one), needed }));
    const place = ['paths', route, method, 'requestBody', 'content', type, 'schema'];
    const drawn =
      line === undefined
        ? this.values.of(content.schema).filter((value) => this.schemas.error(place, value) === undefined)
        : fc
            .array(this.values.of(line), { minLength: 1, maxLength: LINES_MAX })
            .map((lines) => lines.map((value) => JSON.stringify(value)).join('\n'));
    const value = fc.oneof(
      { weight: 1, arbitrary: fc.constantFrom(...examples) },
      { weight: 9, arbitrary: drawn },
    );
    return value.map((one) => ({
      type,
      bytes: bytesOf(one),
      needed,
    }));
  }
}

function exampleBodies({ examples = {} }: Content): unknown[] {
  return Object.values(examples).map((one) =>
    one['x-base64'] === true ? Buffer.from(String(one.value), 'base64') : one.value,
  );
}

function bytesOf(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value;
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
}

function requestOf(
  route: string,
  method: string,
  values: readonly Value[],
  types: Readonly<Record<string, string>>,
  body: Buffer | undefined,
): DescribedRequest {
  const ofPlace = (place: string): [string, string][] =>
    values.filter((one) => one.in === place).map(({ name, value }) => [name, value]);
  const path = ofPlace('path').reduce(
    (at, [name, value]) => at.replace(`{${name}}`, () => encodeURIComponent(value)),
    route,
  );
  const named = Object.fromEntries(ofPlace('header').map(([name, value]) => [name.toLowerCase(), value]));
  const headers = { ...named, ...types };
  return { method: method.toUpperCase(), path, query: ofPlace('query'), headers, body, key: 'all' };
}

/** Whether clients send a value unchanged. They take `.` and `..` out of a path. */
function isSendable(place: string): (value: string) => boolean {
  if (place === 'header') return (value) => HEADER_VALUE.test(value);
  return place === 'path' ? (value) => !/^\.{1,2}$/.test(value) : () => true;
}
