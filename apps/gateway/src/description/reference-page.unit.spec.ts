/** The page has everything, and loads nothing. */
import { describe, expect, it } from '@jest/globals';
import { PROBLEM_DESCRIPTIONS } from '../problems/problem-descriptions.js';
import { Descriptions } from './descriptions.js';
import { inlineProse, table } from './markup.js';
import { schemaMarkup, typeMarkup } from './schema-markup.js';

const ORIGIN = 'https://events.example.org';
const descriptions = new Descriptions('events');
const page = descriptions.pageFor(ORIGIN);

function all(form: RegExp): string[] {
  return [...page.matchAll(form)].map(([, found = '']) => found);
}

describe('the page', () => {
  it('loads nothing, and runs nothing', () => {
    expect(page).not.toMatch(/<(?:script|link|img|iframe|object|embed)\b|@import|url\(|\son\w+=/i);
    const targets = all(/\shref="([^"]*)"/g);
    expect(targets.filter((target) => !/^(?:#|\/openapi\.json$|\/asyncapi\.json$)/.test(target))).toEqual([]);
  });

  it('has links that lead somewhere, and each anchor once', () => {
    const anchors = all(/\sid="([^"]*)"/g);
    expect(new Set(anchors).size).toBe(anchors.length);
    expect(all(/\shref="#([^"]*)"/g).filter((target) => !anchors.includes(target))).toEqual([]);
  });

  it('has each operation, each problem and each schema of a member', () => {
    const { paths } = JSON.parse(descriptions.openApi) as {
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    const ids = Object.values(paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    const problems = Object.keys(PROBLEM_DESCRIPTIONS).map((kind) => `problem-${kind}`);
    expect(all(/\sid="([^"]*)"/g)).toEqual(
      expect.arrayContaining([...ids, ...problems, 'schema-Event', 'nats']),
    );
  });

  it('has commands for the gateway that was asked', () => {
    expect(page).toContain(`curl ${ORIGIN}/publish -H &#39;content-type: application/json&#39;`);
    expect(page).not.toContain('{{');
  });

  it('has elements that are closed', () => {
    const open: string[] = [];
    const wrong: string[] = [];
    for (const [, end = '', name = ''] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*>/g)) {
      if (['meta', 'br'].includes(name)) continue;
      if (end === '') open.push(name);
      else if (open.pop() !== name) wrong.push(name);
    }
    expect([open, wrong]).toEqual([[], []]);
  });
});

describe('markup', () => {
  it('escapes what it is given', () => {
    const evil = '<b onclick="x">&\'';
    const texts = [
      inlineProse(`${evil} \`${evil}\``),
      typeMarkup({ $ref: `#/components/schemas/${evil}` }),
      typeMarkup({ enum: [evil] }),
      typeMarkup({ type: evil, format: evil }),
      schemaMarkup({ description: evil, pattern: evil, properties: { [evil]: { const: evil } } }),
      table([evil], [['a']], evil),
    ];
    for (const text of texts) {
      expect(text).not.toContain('<b');
      expect(text).toContain('&lt;b');
    }
  });
});
