/** The description is valid, whole, and about the routes that there are. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import type { RouteOptions } from 'fastify';
import { readGatewaySettings } from '#config';
import { createLogger } from '#observability';
import { gatewayApp, type GatewayBase } from '../gateway-app.js';
import type { RouteAccess } from '../keys/access.js';
import { GatewayProgram } from '../metrics/gateway-program.js';
import { allowedMethods } from '../problems/allowed-methods.js';
import { PROBLEM_DESCRIPTIONS } from '../problems/problem-descriptions.js';
import { RequestGate } from '../request-gate.js';
import { DescribedSchemas } from '../test/described/described-schemas.js';
import { Descriptions } from './descriptions.js';
import type { Contents } from './operation.js';
import { answersOf, type OpenApiDocument } from './openapi.js';

const descriptions = new Descriptions('events');
const document = JSON.parse(descriptions.openApi) as OpenApiDocument;
const schemas = new DescribedSchemas(document);
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

describe('the document', () => {
  it('is valid OpenAPI 3.1', async () => {
    expect(
      await new Validator().validate(JSON.parse(JSON.stringify(document)) as Record<string, unknown>),
    ).toEqual({ valid: true });
  });

  it('has an example for each body, and each follows its schema', () => {
    const errors: (string | undefined)[] = [];
    const check = (place: readonly string[], contents: Contents = {}): void => {
      for (const [type, { examples = {} }] of Object.entries(contents))
        for (const [name, example] of Object.entries(examples)) {
          const { value } = schemas.resolved({ ...example }) as { value: unknown };
          const error = schemas.error([...place, 'content', type, 'schema'], value);
          if (error !== undefined) errors.push(`${place.join(' ')} ${type} ${name}: ${error}`);
        }
    };
    for (const { path, method, operation } of operations) {
      check(['paths', path, method, 'requestBody'], operation.requestBody?.content);
      for (const [status, answer] of Object.entries(operation.responses))
        if (!('$ref' in answer)) check(['paths', path, method, 'responses', status], answer.content);
    }
    for (const [name, { content }] of Object.entries(document.components.responses))
      check(['components', 'responses', name], content);
    expect(errors).toEqual([]);
    const bodies = operations.flatMap(({ operation }) =>
      [
        operation.requestBody?.content,
        ...answersOf(operation, document.components).map(([, { content }]) => content),
      ].flatMap((content) => Object.entries(content ?? {})),
    );
    const bare = bodies.filter(([type, { examples, schema }]) => {
      const isPlain = String(schema['$ref']).endsWith('/PlainProblem');
      return (
        examples === undefined &&
        !isPlain &&
        !['*/*', 'text/html'].includes(type) &&
        schema['required'] === undefined
      );
    });
    expect(bare).toEqual([]);
  });

  it('has schemas that can be compiled, with examples that follow them', () => {
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      const place = ['components', 'schemas', name];
      for (const example of [schema['examples'] ?? []].flat())
        expect(schemas.error(place, example)).toBeUndefined();
    }
    const names = Object.keys(document.components.schemas);
    const lenient = names.filter(
      (name) => schemas.error(['components', 'schemas', name], false) === undefined,
    );
    expect(lenient).toEqual(['Value']);
  });

  it('has each kind of problem at a route', () => {
    const named = operations.flatMap(({ operation }) =>
      answersOf(operation, document.components).flatMap(([, { content }]) =>
        Object.keys(content?.['application/problem+json']?.examples ?? {}),
      ),
    );
    expect([...new Set(named)].sort()).toEqual(Object.keys(PROBLEM_DESCRIPTIONS).sort());
  });

  it('names each operation once, and each of its parameters of the path', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations) {
      const named = operation.parameters
        .filter((one) => one['in'] === 'path')
        .map((one) => `{${String(one['name'])}}`);
      expect([path, ...named]).toEqual([path, ...(path.match(/\{\w+\}/g) ?? [])]);
    }
  });
});

describe('the texts', () => {
  it('have sentences that can be read once', () => {
    const texts: string[] = [];
    const collect = (value: unknown, name = ''): void => {
      if (typeof value === 'string' && ['description', 'summary', 'when'].includes(name)) texts.push(value);
      else if (typeof value === 'object' && value !== null)
        for (const [member, one] of Object.entries(value)) collect(one, member);
    };
    collect([document, JSON.parse(descriptions.asyncApi)]);
    expect(texts.length).toBeGreaterThan(300);
    const sentences = texts.flatMap((text) => text.replaceAll(/`[^`]*`/g, 'code').split(/(?<=[.:;?!])\s+/));
    expect(sentences.filter((sentence) => sentence.split(/\s+/).length > 25)).toEqual([]);
  });
});

describe('the routes of the gateway', () => {
  const routes: RouteOptions[] = [];

  beforeAll(async () => {
    const settings = readGatewaySettings({ SEKALI_HTTP_PORT: '0', SEKALI_LOG_LEVEL: 'silent' });
    const unused = {} as never;
    const base: GatewayBase = {
      ...{
        pool: unused,
        broker: unused,
        publisher: unused,
        keys: { ring: undefined, webhookSecrets: unused },
        ageWatch: unused,
      },
      record: { duplicates: unused } as never,
      gate: new RequestGate({ requestsMax: 1, perClientMax: 1 }),
      metrics: new GatewayProgram(settings, unused),
    };
    const app = await gatewayApp(settings, createLogger('gateway', 'silent'), base);
    app
      .getHttpAdapter()
      .getInstance()
      .addHook('onRoute', (route) => {
        routes.push(route);
      });
    await app.init();
    await app.close();
  });

  it('are all described, and no others are', () => {
    const described = operations.map(({ path, method }) => nameOf(method, path.replaceAll(/\{\w+\}/g, '*')));
    const registered = namesOfAll(routes);
    expect(registered.filter((name) => !described.includes(name))).toEqual([]);
    expect(described.filter((name) => servedBy(name, registered) === undefined)).toEqual([]);
  });

  it('need the scope of their description', () => {
    const needed = new Map(
      routes.flatMap((route) =>
        namesOf(route).map((name) => [name, (route.config as RouteAccess | undefined)?.scope ?? 'admin']),
      ),
    );
    for (const { path, method, operation } of operations) {
      const [first] = operation.security;
      const scope = first === undefined ? 'none' : Object.values(first)[0]?.[0];
      const route = servedBy(nameOf(method, path.replaceAll(/\{\w+\}/g, '*')), [...needed.keys()]);
      expect([path, method, scope]).toEqual([path, method, needed.get(route ?? '')]);
    }
  });

  it('are those by which 405 is known from 404', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      // An index may have any name. With another method, such an address is unknown.
      if (path === '/{index}') continue;
      const described = new Set(
        Object.keys(methods).flatMap((method) =>
          method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()],
        ),
      );
      const address = path.replaceAll(/\{\w+\}/g, 'x');
      expect([path, ...(allowedMethods(address) ?? [])].sort()).toEqual([path, ...described].sort());
    }
  });
});

/** The names of routes. HEAD is GET without a body where there is one. */
function namesOfAll(routes: readonly RouteOptions[]): string[] {
  const names = routes.flatMap(namesOf);
  return names.filter((name) => !name.startsWith('head ') || !names.includes(name.replace('head', 'get')));
}

function namesOf({ method, url }: RouteOptions): string[] {
  const path = url.replaceAll(/:\w+/g, '*');
  return [method].flat().map((one) => nameOf(one, path));
}

/** The route that serves an address. The last part of one may have several parts of the address. */
function servedBy(name: string, registered: readonly string[]): string | undefined {
  if (registered.includes(name)) return name;
  return registered.find((one) => one.endsWith('/*/*') && name.startsWith(one.slice(0, -1)));
}

function nameOf(method: string, path: string): string {
  return `${method.toLowerCase()} ${path}`;
}
