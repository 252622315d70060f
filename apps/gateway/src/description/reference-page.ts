/**
 * The page of `/docs`: both descriptions as one page for people.
 *
 * The pages of others (Swagger UI, Redoc, Scalar) are programs of one to eleven megabytes that draw the page in the
 * browser. This one is text: it is rendered once, needs no script, loads nothing, and can be searched and printed.
 */
import { PROBLEM_DESCRIPTIONS } from '../problems/problem-descriptions.js';
import type { AsyncApiDocument } from './asyncapi.js';
import { EVERY_ROUTE, PLAIN_ANSWERS } from './shared-answers.js';
import { block, code, escapeHtml, folded, inlineProse, prose, shown, table } from './markup.js';
import type { OpenApiDocument } from './openapi.js';
import { operationMarkup } from './operation-markup.js';
import { REFERENCE_STYLE } from './reference-style.js';
import { schemaMarkup, typeMarkup } from './schema-markup.js';

/** What the page may load: nothing but its own style. */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The page. `ORIGIN_MARK` stands in it for the origin of the gateway. */
export function referencePage(openApi: OpenApiDocument, asyncApi: AsyncApiDocument): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sekali: what it takes and answers</title>
<style>${REFERENCE_STYLE}</style>
</head>
<body>
<a class="skip" href="#main">To the content</a>
${navigationMarkup(openApi)}
<main id="main">
<header>
<h1>${escapeHtml(openApi.info.title)}</h1>
${prose(openApi.info.description)}
<p>For programs: <a href="/openapi.json">openapi.json</a>, <a href="/asyncapi.json">asyncapi.json</a>.</p>
</header>
${doorsMarkup(openApi)}
${brokersMarkup(asyncApi)}
${keysMarkup(openApi)}
${problemsMarkup()}
${schemasMarkup(openApi, asyncApi)}
</main>
</body>
</html>
`;
}

interface Listed {
  readonly path: string;
  readonly method: string;
  readonly operation: OpenApiDocument['paths'][string][string];
}

function operationsOf(document: OpenApiDocument, tag: string): Listed[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { tags }]) => tags.includes(tag))
      .map(([method, operation]) => ({ path, method, operation })),
  );
}

function navigationMarkup(document: OpenApiDocument): string {
  const doors = document.tags.map(({ name }) => {
    const links = operationsOf(document, name).map(
      ({ path, method, operation }) =>
        `<li><a href="#${operation.operationId}"><span class="method ${method}">${method.toUpperCase()}</span> ${escapeHtml(path)}</a></li>`,
    );
    return `<p>${escapeHtml(name)}</p><ul>${links.join('')}</ul>`;
  });
  const others = [
    ['nats', 'NATS'],
    ['keys', 'Keys'],
    ['problems', 'Problems'],
    ['schemas', 'Schemas'],
  ].map(([id = '', name = '']) => `<li><a href="#${id}">${name}</a></li>`);
  const links = `${doors.join('\n')}<p>All routes</p><ul>${others.join('')}</ul>`;
  return `<nav aria-label="Routes">${folded('Contents', links).replace('<details>', '<details class="contents">')}<div class="side">${links}</div></nav>`;
}

function doorsMarkup(document: OpenApiDocument): string {
  return document.tags
    .map(({ name, description }) => {
      const operations = operationsOf(document, name).map(({ path, method, operation }) =>
        operationMarkup(path, method, operation, document.components),
      );
      return `<section><h2>${escapeHtml(name)}</h2>${prose(description)}${operations.join('\n')}</section>`;
    })
    .join('\n');
}

function brokersMarkup({ info, channels, operations, components }: AsyncApiDocument): string {
  const shownMessages = Object.values(components.messages).map(
    ({ title, summary, payload, headers, examples }) => {
      const headerRows = Object.entries(
        (headers?.['properties'] ?? {}) as Record<string, { description: string }>,
      );
      const rows = headerRows.map(([name, { description }]) => [code(name), inlineProse(description)]);
      const shownExamples = examples.map((example) =>
        folded(
          `Example: ${escapeHtml(example.name)}`,
          block(shown({ ...example, name: undefined }), example.name),
        ),
      );
      return `<h3>${escapeHtml(title)}</h3><p>${inlineProse(summary)} ${typeMarkup(payload)}</p>${table(['Header', ''], rows, 'Headers')}${shownExamples.join('')}`;
    },
  );
  const poison = (operations['publishEvent']?.['x-dead-letters'] ?? []).map(({ reason, when }) => [
    code(reason),
    inlineProse(when),
  ]);
  return `<section id="nats"><h2>NATS</h2>${prose(info.description)}
<p>The subject is ${code(channels['events']?.address ?? '')}.</p>
${shownMessages.join('\n')}
<h3>What becomes a dead letter</h3>${table(['Reason', 'When'], poison, 'Reasons')}</section>`;
}

function keysMarkup({ components }: OpenApiDocument): string {
  const rows = Object.entries(components.securitySchemes).map(([name, scheme]) => [
    code(name),
    inlineProse(String(scheme['description'])),
  ]);
  return `<section id="keys"><h2>Keys</h2><p>A key is sent in one of these forms.</p>${table(['Form', ''], rows, 'Forms of a key')}</section>`;
}

function problemsMarkup(): string {
  const all = Object.entries(PROBLEM_DESCRIPTIONS).sort(([, a], [, b]) => a.status - b.status);
  const row = ([kind, { status, when, remedy }]: (typeof all)[number]): string[] => [
    `<span id="problem-${kind}">${code(kind)}</span>`,
    String(status),
    inlineProse(when),
    inlineProse(remedy),
  ];
  const isEvery = ([kind]: (typeof all)[number]): boolean =>
    (EVERY_ROUTE as readonly string[]).includes(kind);
  const plain = [...PLAIN_ANSWERS].map(([status, when]) => [
    code('about:blank'),
    String(status),
    inlineProse(when),
    '',
  ]);
  const head = ['Problem', 'Status', 'When', 'What to do'];
  const note =
    'The `type` of a problem is `urn:sekali:problem:` and one of these, or `about:blank` where the status says it all.';
  return `<section id="problems"><h2>Problems</h2>${prose(note)}
${table(head, all.filter((one) => !isEvery(one)).map(row), 'Problems')}
<h3 id="every-route">Of every route</h3>
${table(head, [...all.filter(isEvery).map(row), ...plain], 'Problems of every route')}</section>`;
}

function schemasMarkup(openApi: OpenApiDocument, asyncApi: AsyncApiDocument): string {
  const schemas = { ...asyncApi.components.schemas, ...openApi.components.schemas };
  const parts = Object.entries(schemas)
    .filter(([name]) => !/.Problem$/.test(name) || name === 'PlainProblem')
    .map(
      ([name, schema]) =>
        `<article id="schema-${escapeHtml(name)}"><h3>${escapeHtml(name)}</h3>${schemaMarkup(schema)}</article>`,
    );
  return `<section id="schemas"><h2>Schemas</h2>${parts.join('\n')}</section>`;
}
