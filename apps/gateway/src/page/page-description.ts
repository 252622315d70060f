/** The description of what the page loads. The page itself is `GET /` with `Accept: text/html`. */
import type { Content, DoorDescription } from '../description/operation.js';

function textOf(summary: string, value: string): Content {
  return { schema: { type: 'string' }, examples: { file: { summary, value } } };
}

/** The door of people with a browser. */
export const PAGE_DOOR: DoorDescription = {
  name: 'Page',
  description: 'A page for people at `/`: what is true now, one event, dead letters.',
  schemas: {},
  operations: [
    {
      id: 'getPageFile',
      method: 'get',
      path: '/page/{file}',
      summary: 'Read a file of the page',
      description:
        'The names change with the content, so a client may keep a file for ever. It needs no key.',
      scope: 'none',
      parameters: [
        {
          name: 'file',
          in: 'path',
          required: true,
          description: 'A name that stands in the page.',
          schema: { type: 'string', minLength: 1 },
          example: 'index.html',
        },
      ],
      answers: {
        200: {
          description: 'The file.',
          contents: {
            'text/html': { schema: { type: 'string' } },
            'text/javascript': textOf('A script', 'export {};'),
            'text/css': textOf('A style sheet', ':root { color-scheme: light dark; }'),
          },
        },
      },
      problems: ['unknown-page-file'],
    },
  ],
};
