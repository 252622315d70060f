/** Joins the descriptions of the doors to one document of OpenAPI 3.1. */
import { PROBLEM_DESCRIPTIONS } from '../problems/problem-descriptions.js';
import {
  PLAIN_PROBLEM,
  problemExample,
  problemSchema,
  problemSchemaName,
} from '../problems/problem-schemas.js';
import type { ProblemKind } from '../problems/problem-error.js';
import { HEADERS, REQUEST_ID, SECURITY_SCHEMES, securityOf } from './shared-answers.js';
import type { Contents, DoorDescription, Example, OperationDescription, Schema } from './operation.js';
import { headersOf, RATE_HEADERS, refusalsOf, SOMETIMES, type DocumentAnswer } from './refusals.js';
import { ANSWER_SCHEMAS, EVENT_SCHEMAS } from './shared-schemas.js';

/** An operation in the document. */
export interface DocumentOperation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  /** See `OperationDescription.isSigned`. */
  readonly 'x-signed'?: true;
  /** See `OperationDescription.isEndless`. */
  readonly 'x-endless'?: true;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly Schema[];
  readonly requestBody?: {
    readonly description: string;
    readonly required: boolean;
    readonly content: Contents;
  };
  readonly responses: Readonly<Record<string, DocumentAnswer | Reference>>;
}

/** A reference to a part of the document. */
export interface Reference {
  readonly $ref: string;
}

/** The document. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string; readonly description: string }[];
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly responses: Readonly<Record<string, DocumentAnswer>>;
    readonly examples: Readonly<Record<string, Example>>;
    readonly headers: Readonly<Record<string, Schema>>;
    readonly parameters: Readonly<Record<string, Schema>>;
    readonly securitySchemes: Readonly<Record<string, Schema>>;
  };
}

const KINDS = Object.keys(PROBLEM_DESCRIPTIONS) as ProblemKind[];

/** Of the descriptions. It changes when a client has to. */
export const DESCRIPTION_VERSION = '1.0.0';

const INTRODUCTION = [
  'Every event, once. Producers publish events here, each with an id, and may repeat them as often as they like. Each ' +
    'event is stored exactly once.',
  'On a loopback address the gateway is open. Elsewhere it asks for an API key with the scope of the route.',
  'Errors are problem JSON (RFC 9457). `type` says which one it is, and `detail` says what to do. An unknown address is ' +
    '`404`, and a method that an address does not have is `405` with `Allow`. `HEAD` is answered wherever `GET` is.',
  'Each answer has an `X-Request-Id`, and none may be cached.',
].join('\n\n');

/** The document of some doors. */
export function openApiDocument(doors: readonly DoorDescription[]): OpenApiDocument {
  const paths: Record<string, Record<string, DocumentOperation>> = {};
  for (const door of doors)
    for (const operation of door.operations)
      paths[operation.path] = {
        ...paths[operation.path],
        [operation.method]: documentOperation(operation, door.name),
      };
  return {
    openapi: '3.1.1',
    info: { title: 'Sekali', version: DESCRIPTION_VERSION, description: INTRODUCTION },
    servers: [{ url: '/', description: 'The gateway that this document comes from.' }],
    tags: doors.map(({ name, description }) => ({ name, description })),
    paths,
    components: {
      schemas: {
        ...EVENT_SCHEMAS,
        ...ANSWER_SCHEMAS,
        ...Object.fromEntries(doors.flatMap((door) => Object.entries(door.schemas))),
        PlainProblem: PLAIN_PROBLEM,
        ...Object.fromEntries(KINDS.map((kind) => [problemSchemaName(kind), problemSchema(kind)])),
      },
      responses: refusalComponents(doors),
      examples: problemExamples(),
      headers: headerComponents(),
      parameters: { RequestId: { ...REQUEST_ID } },
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

/** The answers of an operation by their status, without references. */
export function answersOf(
  { responses }: DocumentOperation,
  components: OpenApiDocument['components'],
): [status: string, answer: DocumentAnswer][] {
  const resolved = (answer: DocumentAnswer | Reference): DocumentAnswer[] =>
    '$ref' in answer ? [components.responses[answer.$ref.replace(/^.*\//, '')] ?? []].flat() : [answer];
  return Object.entries(responses).flatMap(([status, answer]) =>
    resolved(answer).map((one): [string, DocumentAnswer] => [status, one]),
  );
}

function documentOperation(operation: OperationDescription, tag: string): DocumentOperation {
  const { id, summary, description, parameters = [], body, answers } = operation;
  const responses: Record<string, DocumentAnswer> = {};
  for (const [status, answer] of Object.entries(answers))
    responses[status] = {
      description: answer.description,
      headers: headersOf(answer.headers ?? [], [...(answer.optionalHeaders ?? []), ...RATE_HEADERS]),
      ...(answer.contents !== undefined && { content: answer.contents }),
    };
  return {
    operationId: id,
    tags: [tag],
    summary,
    description,
    ...(operation.isSigned === true && { 'x-signed': true as const }),
    ...(operation.isEndless === true && { 'x-endless': true as const }),
    security: securityOf(operation) as DocumentOperation['security'],
    parameters: [...parameters.map((one) => ({ ...one })), { $ref: '#/components/parameters/RequestId' }],
    ...(body !== undefined && {
      requestBody: { description: body.description, required: body.isRequired, content: body.contents },
    }),
    responses: { ...responses, ...refusalReferences(operation) },
  };
}

function refusalReferences(operation: OperationDescription): Record<string, Reference> {
  return Object.fromEntries(
    refusalsOf(operation).map(({ status, name }) => [status, { $ref: `#/components/responses/${name}` }]),
  );
}

/** The refusals of all routes. Many are the same. */
function refusalComponents(doors: readonly DoorDescription[]): Record<string, DocumentAnswer> {
  const refusals = doors.flatMap(({ operations }) => operations.flatMap(refusalsOf));
  return Object.fromEntries(refusals.map(({ name, answer }) => [name, answer]));
}

/** Each header twice: where every answer of a status has it, and where only some have it. */
function headerComponents(): Record<string, Schema> {
  return Object.fromEntries(
    Object.entries(HEADERS).flatMap(([key, { description, schema }]) => [
      [key, { required: true, description, schema }],
      [`${SOMETIMES}${key}`, { description, schema }],
    ]),
  );
}

function problemExamples(): Record<string, Example> {
  return Object.fromEntries(
    KINDS.map((kind) => [kind, { summary: PROBLEM_DESCRIPTIONS[kind].when, value: problemExample(kind) }]),
  );
}
