/** Holds answers against the description. */
import type { Schema } from '../../description/operation.js';
import type { OpenApiDocument } from '../../description/openapi.js';
import { PROBLEM_MEDIA_TYPE, type DocumentAnswer } from '../../description/refusals.js';
import type { Answered } from '../running-gateway.js';
import type { DescribedSchemas } from './described-schemas.js';

/** What was asked. */
export interface Asked {
  readonly method: string;
  /** With its query. */
  readonly url: string;
}

/** Judges answers. */
export class DescribedAnswers {
  private readonly routes: readonly { readonly route: string; readonly form: RegExp }[];

  constructor(
    private readonly document: OpenApiDocument,
    private readonly schemas: DescribedSchemas,
  ) {
    this.routes = Object.keys(document.paths)
      .map((route) => ({ route, form: formOf(route) }))
      // An address with fewer parameters goes before one with more, and a longer one before a shorter one.
      .sort((a, b) => parametersIn(a.route) - parametersIn(b.route) || b.route.length - a.route.length);
  }

  /** Says how an answer differs from its description; `undefined` when it does not. */
  error({ method, url }: Asked, answer: Answered): string | undefined {
    const names = method === 'HEAD' ? ['get', 'head'] : [method.toLowerCase()];
    // A route for any name refuses the addresses of others with 405, as they do themselves.
    const route = this.routeOf(url.split('?', 1)[0] ?? '', answer.status === 405 ? [] : names, answer);
    const methods = route === undefined ? undefined : this.document.paths[route];
    const name = names.find((one) => methods?.[one] !== undefined);
    if (answer.status === 405 || route === undefined || name === undefined || methods?.[name] === undefined)
      return this.unknownError(answer, methods);
    const status = String(answer.status);
    const found = methods[name].responses[status];
    if (found === undefined) return `status ${status} is not described: ${answer.text.slice(0, 500)}`;
    const place =
      '$ref' in found ? found.$ref.slice(2).split('/') : ['paths', route, name, 'responses', status];
    const described = this.schemas.at(place) as DocumentAnswer;
    const inHead = this.headerError(described, answer);
    return inHead ?? (method === 'HEAD' ? undefined : this.bodyError(place, described, answer));
  }

  /** A slash at the end of some routes is ignored. A route with one of the methods goes before the others. */
  private routeOf(path: string, names: readonly string[], { status }: Answered): string | undefined {
    const paths = path.endsWith('/') && status !== 404 ? [path, path.slice(0, -1)] : [path];
    const found = paths.flatMap((one) => this.routes.filter(({ form }) => form.test(one)));
    const serves = (route: string): boolean =>
      Object.keys(this.document.paths[route] ?? {}).some((one) => names.includes(one));
    return (found.find(({ route }) => serves(route)) ?? found[0])?.route;
  }

  /** An address or a method that is not described. Which key is needed there is asked first. */
  private unknownError(
    answer: Answered,
    methods: OpenApiDocument['paths'][string] | undefined,
  ): string | undefined {
    if (![400, 401, 404, 405, 413, 415, 429].includes(answer.status))
      return `status ${answer.status} at no route`;
    if (answer.text === '') return undefined;
    if (answer.status === 405) {
      const names = Object.keys(methods ?? {}).flatMap((one) =>
        one === 'get' ? ['GET', 'HEAD'] : [one.toUpperCase()],
      );
      const allowed = (answer.headers.get('allow') ?? '').split(', ');
      if (String(allowed.sort()) !== String(names.sort()))
        return `Allow names ${String(allowed)}, not ${String(names)}`;
    }
    const { type } = JSON.parse(answer.text) as { type: string };
    const name = type === 'about:blank' ? 'PlainProblem' : schemaNameOf(type);
    return this.schemas.error(['components', 'schemas', name], JSON.parse(answer.text));
  }

  private headerError({ headers }: DocumentAnswer, answer: Answered): string | undefined {
    for (const [name, reference] of Object.entries(headers)) {
      const header = this.schemas.resolved(reference) as { required?: boolean };
      const value = answer.headers.get(name);
      if (value === null && header.required === true) return `the header ${name} is missing`;
      if (value === null) continue;
      const place = [...String(reference['$ref']).slice(2).split('/'), 'schema'];
      const error = this.schemas.error(place, value);
      if (error !== undefined) return `header ${name}: ${error}`;
    }
    return undefined;
  }

  private bodyError(
    place: readonly string[],
    { content }: DocumentAnswer,
    answer: Answered,
  ): string | undefined {
    const [type = ''] = (answer.headers.get('content-type') ?? '').split(';', 1);
    if (content === undefined)
      return answer.text === '' ? undefined : `a body that is not described: ${answer.text}`;
    if (content[type] === undefined) return `type "${type}" is not described`;
    const value: unknown = /[/+]json$/.test(type) ? JSON.parse(answer.text) : answer.text;
    // Of the problems of a status, the one that it is says most.
    const kind = type === PROBLEM_MEDIA_TYPE ? (value as { type: string }).type : undefined;
    if (kind !== undefined && kind !== 'about:blank' && !isNamed(content[type].schema, schemaNameOf(kind)))
      return `${kind} is not described here`;
    return this.schemas.error([...place, 'content', type, 'schema'], value);
  }
}

function parametersIn(route: string): number {
  return route.split('{').length - 1;
}

function formOf(route: string): RegExp {
  const parts = route.split('/').map((part) => {
    if (!part.startsWith('{')) return part.replaceAll('.', String.raw`\.`);
    // The id of an event may have slashes, and the router takes an empty index.
    if (part === '{event_id}') return '.+';
    return part === '{index}' ? '[^/]*' : '[^/]+';
  });
  return new RegExp(`^${parts.join('/')}$`, 's');
}

function schemaNameOf(type: string): string {
  const words = type.replace('urn:sekali:problem:', '').split('-');
  return `${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}Problem`;
}

function isNamed(schema: Schema, name: string): boolean {
  const choices = (schema['oneOf'] as readonly Schema[] | undefined) ?? [schema];
  return choices.some(({ $ref }) => $ref === `#/components/schemas/${name}`);
}
