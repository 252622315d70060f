/** The schemas of a description, and what does not follow them. */
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Schema } from '../../description/operation.js';

const BASE = 'https://described.invalid/document';

/** A JSON Pointer as tokens. */
export type Pointer = readonly string[];

/** The schemas of one document. */
export class DescribedSchemas {
  private readonly ajv = new Ajv2020.default({
    strict: true,
    // A member may be of one of two types, and a branch may name members of the whole.
    allowUnionTypes: true,
    strictTypes: false,
    strictRequired: false,
    // The last elements of an array may be left out.
    strictTuples: false,
    allErrors: false,
    // A line of a body, what a client must not invent, and what only shows.
    keywords: ['x-line', 'x-opaque', 'example'],
  });
  private readonly validators = new Map<string, ValidateFunction>();

  /** @param document its references begin at its root */
  constructor(readonly document: object) {
    formats.default(this.ajv);
    // The document is read as a schema, so that references within it are found.
    this.ajv.addVocabulary(Object.keys(document));
    this.ajv.addSchema({ $id: BASE, ...document }, undefined, undefined, false);
  }

  /** Follows references until there is none. A description next to one is left behind. */
  resolved(schema: Schema): Schema {
    const reference = schema['$ref'];
    if (typeof reference !== 'string') return schema;
    return this.resolved(this.at(reference.slice(2).split('/')) as Schema);
  }

  /** What stands at a place of the document. */
  at(pointer: Pointer): unknown {
    let value: unknown = this.document;
    for (const token of pointer) value = (value as Readonly<Record<string, unknown>>)[token];
    if (value === undefined) throw new Error(`nothing is at ${pointer.join('/')}`);
    return value;
  }

  /** Says how a value breaks the schema at a place; `undefined` when it does not. */
  error(pointer: Pointer, value: unknown): string | undefined {
    const place = pointer.map((token) => token.replaceAll('~', '~0').replaceAll('/', '~1')).join('/');
    let validate = this.validators.get(place);
    if (validate === undefined) {
      validate = this.ajv.compile({ $ref: `${BASE}#/${encodeURI(place)}` });
      this.validators.set(place, validate);
    }
    if (validate(value)) return undefined;
    return `${this.ajv.errorsText(validate.errors, { dataVar: 'it' })}: ${JSON.stringify(value).slice(0, 500)}`;
  }
}
