/**
 * The vocabulary in which each door describes its routes. openapi.ts joins the descriptions to one document.
 *
 * Three designs were weighed:
 *
 * - **Decorators of @nestjs/swagger.** It draws schemas from classes of bodies. Our routes read bodies as bytes and have
 *   no such classes, so nearly everything would be written in decorators. It also brings 11 MB of a user interface.
 * - **One OpenAPI file.** It is easily read, and lies far from the code that it describes. Each route would repeat the
 *   dozen refusals that all routes have.
 * - **Data next to each door**, which this is: what is special about a route stands with the route, in JSON Schema. What
 *   all routes have is added in one place. Tests send what the description permits, and validate each answer by it.
 */
import type { ApiKeyScope } from '#contracts';
import type { ProblemKind } from '../problems/problem-error.js';

/** A JSON Schema of draft 2020-12. */
export type Schema = Readonly<Record<string, unknown>>;

/** A value that is shown, and a sentence about it. */
export interface Example {
  readonly summary: string;
  readonly value: unknown;
  /** The value is the base64 of a body that is not text. */
  readonly 'x-base64'?: true;
}

/** A body of one media type. */
export interface Content {
  /** With `x-opaque`, no text is drawn from it, and its examples alone are sent. */
  readonly schema: Schema;
  /** By a short name. Each is valid under the schema; one of a request is taken as it stands. */
  readonly examples?: Readonly<Record<string, Example>>;
  /** Parameters without which this body is not taken. */
  readonly 'x-required-parameters'?: readonly string[];
}

/** Bodies by their media type. */
export type Contents = Readonly<Record<string, Content>>;

/** A parameter in the form of OpenAPI. */
export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly required?: boolean;
  readonly schema: Schema;
  /** It is part of the command that the page shows. */
  readonly example?: string | number;
}

/** The names of the headers of answers, see shared-parts.ts. */
export type HeaderName =
  | 'Allow'
  | 'ElasticProduct'
  | 'Link'
  | 'PreferenceApplied'
  | 'RetryAfter'
  | 'SekaliCursor'
  | 'SekaliWalk'
  | 'WebHookAllowedOrigin'
  | 'WebHookAllowedRate';

/** An answer that is not a problem. */
export interface OperationAnswer {
  readonly description: string;
  /** Headers that every such answer has. */
  readonly headers?: readonly HeaderName[];
  /** Headers that only some have. */
  readonly optionalHeaders?: readonly HeaderName[];
  readonly contents?: Contents;
}

/** A kind of problem with the status that it has at one route. */
export interface ProblemAt {
  readonly kind: ProblemKind;
  readonly status: number;
}

/** The body of a request. */
export interface OperationBody {
  readonly description: string;
  readonly isRequired: boolean;
  readonly contents: Contents;
}

/** One method of one address. */
export interface OperationDescription {
  readonly id: string;
  readonly method: 'get' | 'head' | 'post' | 'put' | 'options';
  /** In the form of OpenAPI, for example `/events/{topic}`. */
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly scope: ApiKeyScope | 'none';
  /** Whether the key may be sent as `access_token` in the address. */
  readonly queryToken?: boolean;
  /** Whether the requests of a key are counted. */
  readonly isRateBounded?: boolean;
  /** Whether a request needs a signature instead of a key. No one can invent one. */
  readonly isSigned?: boolean;
  /** Whether the answer goes on until the client ends it. No one waits for its end. */
  readonly isEndless?: boolean;
  readonly parameters?: readonly Parameter[];
  readonly body?: OperationBody;
  /** Answers by their status. */
  readonly answers: Readonly<Record<number, OperationAnswer>>;
  /** The problems that only this route has. Those of its scope, and of every route, are added. */
  readonly problems?: readonly (ProblemKind | ProblemAt)[];
  /** The form of refusals at this route, where its clients expect another one than problem JSON. */
  readonly refusalContents?: Contents;
  /** Headers that some refusals of this route have in addition, because its clients look for them. */
  readonly refusalHeaders?: readonly HeaderName[];
}

/** The routes of one door, and the schemas that they use. */
export interface DoorDescription {
  readonly name: string;
  readonly description: string;
  readonly operations: readonly OperationDescription[];
  /** Schemas by name, see `schemaNamed`. */
  readonly schemas: Readonly<Record<string, Schema>>;
}

/** The schema with this name in the document. */
export function schemaNamed(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** A JSON object with these members and no others. @param optional names of members that may be left out */
export function objectOf(
  members: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  return {
    type: 'object',
    required: Object.keys(members).filter((name) => !optional.includes(name)),
    properties: members,
    additionalProperties: false,
  };
}

/** An array. */
export function arrayOf(items: Schema, bounds: Schema = {}): Schema {
  return { type: 'array', items, ...bounds };
}

/** A schema with a sentence about its meaning here. */
export function described(description: string, schema: Schema): Schema {
  return { ...schema, description };
}

/** A value that may also be null. */
export function nullable(schema: Schema): Schema {
  return typeof schema['type'] === 'string'
    ? { ...schema, type: [schema['type'], 'null'] }
    : { anyOf: [schema, { type: 'null' }] };
}

/** A whole number that is not negative. */
export const COUNT: Schema = { type: 'integer', minimum: 0 };
