/** The description of the routes that describe the others. */
import type { DoorDescription, OperationDescription } from './operation.js';

const FOR_EVERYONE = { method: 'get', scope: 'none' } as const;

function document(id: string, path: string, summary: string, version: string): OperationDescription {
  return {
    ...FOR_EVERYONE,
    id,
    path,
    summary,
    description: 'It says nothing about the system that it comes from, so it needs no key.',
    answers: {
      200: {
        description: 'The document.',
        contents: {
          'application/json': {
            schema: {
              type: 'object',
              required: [version, 'info'],
              properties: { [version]: { type: 'string' } },
            },
          },
        },
      },
    },
  };
}

/** The door of descriptions. */
export const DESCRIPTION_DOOR: DoorDescription = {
  name: 'Description',
  description: 'This description, for people and for programs.',
  schemas: {},
  operations: [
    document('getOpenApi', '/openapi.json', 'Read the description of HTTP, as OpenAPI 3.1', 'openapi'),
    document('getAsyncApi', '/asyncapi.json', 'Read the description of NATS, as AsyncAPI 3', 'asyncapi'),
    {
      ...FOR_EVERYONE,
      id: 'getDocs',
      path: '/docs',
      summary: 'Read both as a page',
      description: 'It loads nothing from elsewhere, and needs no script.',
      answers: {
        200: {
          description: 'The page.',
          contents: { 'text/html': { schema: { type: 'string' } } },
        },
      },
    },
  ],
};
