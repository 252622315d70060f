/** One operation as markup: what it takes, a command that works, what it answers, and its problems. */
import { EVERY_ROUTE } from './shared-answers.js';
import { block, code, escapeHtml, folded, inlineProse, prose, shown, table } from './markup.js';
import type { Content, Contents, Schema } from './operation.js';
import { answersOf, type DocumentOperation, type OpenApiDocument } from './openapi.js';
import { PROBLEM_MEDIA_TYPE, type DocumentAnswer } from './refusals.js';
import { typeMarkup } from './schema-markup.js';

/** Stands in the page for the origin that a client addressed. It has no character that is escaped. */
export const ORIGIN_MARK = '{{origin}}';

/** The markup of an operation. */
export function operationMarkup(
  path: string,
  method: string,
  operation: DocumentOperation,
  components: OpenApiDocument['components'],
): string {
  const { operationId, summary, description } = operation;
  return [
    `<article id="${operationId}">`,
    `<h3><span class="method ${method}">${method.toUpperCase()}</span> ${code(path)}</h3>`,
    `<p class="summary">${inlineProse(summary)}. ${needMarkup(operation)}</p>`,
    prose(description),
    block(commandOf(path, method, operation), `A command for ${summary}`),
    parametersMarkup(operation),
    bodyMarkup(operation),
    '<h4>Answers</h4>',
    answersMarkup(answersOf(operation, components)),
    '</article>',
  ].join('\n');
}

function needMarkup({ security, 'x-signed': isSigned }: DocumentOperation): string {
  if (isSigned === true) return 'It needs a signature, and no key.';
  const scope = security[0] && Object.values(security[0])[0]?.[0];
  return scope === undefined ? 'It needs no key.' : `It needs a key with the scope ${code(scope)}.`;
}

/** A command of curl with the examples of the operation. */
export function commandOf(
  path: string,
  method: string,
  { parameters, requestBody }: DocumentOperation,
): string {
  const examples = parameters.filter(({ example }) => example !== undefined);
  const valuesIn = (place: string): [string, string][] =>
    examples.filter((one) => one['in'] === place).map((one) => [String(one['name']), String(one['example'])]);
  const query = new URLSearchParams(valuesIn('query')).toString();
  const place = valuesIn('path').reduce(
    (at, [name, value]) => at.replace(`{${name}}`, encodeURIComponent(value)),
    path,
  );
  const url = `${ORIGIN_MARK}${place}${query === '' ? '' : `?${query}`}`;
  const words = ['curl', query === '' ? url : quoted(url)];
  if (['options', 'put'].includes(method)) words.push(`-X ${method.toUpperCase()}`);
  if (method === 'head') words.push('-I');
  for (const [name, value] of valuesIn('header')) words.push('-H', quoted(`${name.toLowerCase()}: ${value}`));
  const [type, content] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const [first] = Object.values(content?.examples ?? {});
  const example = first?.['x-base64'] === true ? undefined : first?.value;
  if (type !== undefined && example !== undefined)
    words.push('-H', quoted(`content-type: ${type}`), '-d', quoted(shown(example)));
  return words.join(' ');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function parametersMarkup({ parameters }: DocumentOperation): string {
  const rows = parameters
    // Every route takes the id of a request.
    .filter((one) => one['$ref'] === undefined)
    .map((one) => [
      `${code(String(one['name']))} <small>${one['required'] === true ? '' : 'optional, '}${escapeHtml(String(one['in']))}</small>`,
      typeMarkup(one['schema'] as Schema),
      inlineProse(String(one['description'])),
    ]);
  return rows.length === 0
    ? ''
    : `<h4>Parameters</h4>${table(['Parameter', 'Type', ''], rows, 'Parameters')}`;
}

function bodyMarkup({ requestBody }: DocumentOperation): string {
  if (requestBody === undefined) return '';
  const contents = Object.entries(requestBody.content);
  const rows = [...new Set(contents.map(([, content]) => content))].map((content) => [
    contents
      .filter(([, other]) => other === content)
      .map(([type]) => code(type))
      .join('<br>'),
    typeMarkup(lineOf(content) ?? content.schema),
    typeof content.schema['description'] === 'string' ? inlineProse(content.schema['description']) : '',
  ]);
  const optional = requestBody.required ? '' : ' <small>optional</small>';
  const examples = examplesMarkup(requestBody.content);
  return `<h4>Body${optional}</h4>${table(['Type', 'Content', ''], rows, 'Bodies')}${examples}`;
}

/** What stands in each line of a body of lines. */
function lineOf({ schema }: Content): Schema | undefined {
  return schema['x-line'] as Schema | undefined;
}

function examplesMarkup(contents: Contents): string {
  const seen = new Set<unknown>();
  return Object.entries(contents)
    .flatMap(([type, { examples = {} }]) =>
      Object.values(examples).map(({ summary, value }) => ({ type, summary, value })),
    )
    .filter(({ value }) => !seen.has(value) && seen.add(value))
    .map(({ type, summary, value }) =>
      folded(`${inlineProse(summary)} <small>${escapeHtml(type)}</small>`, block(shown(value), summary)),
    )
    .join('\n');
}

function answersMarkup(all: readonly [status: string, answer: DocumentAnswer][]): string {
  const answers = all.filter(([status]) => Number(status) < 400);
  const rows = [
    ...answers.map(([status, answer]) => [status, inlineProse(answer.description) + contentMarkup(answer)]),
    ...all
      .filter(([status]) => Number(status) >= 400)
      .map(([status, answer]) => [status, kindsMarkup(answer)])
      .filter(([, kinds]) => kinds !== ''),
    ['others', 'Those of <a href="#every-route">every route</a>.'],
  ];
  const examples = answers.map(([, { content = {} }]) => examplesMarkup(content)).join('\n');
  return `${table(['Status', 'When'], rows, 'Answers')}${examples}`;
}

function contentMarkup({ content = {}, headers }: DocumentAnswer): string {
  const types = Object.entries(content).map(([type, { schema }]) => `${code(type)} ${typeMarkup(schema)}`);
  const names = Object.keys(headers).filter((name) => !/^(X-Request-Id|RateLimit-)/.test(name));
  const lines = names.length === 0 ? types : [...types, `Headers ${names.map(code).join(', ')}`];
  return lines.map((line) => `<br>${line}`).join('');
}

/** The kinds of problems of a status that not every route has, each with a link to its description. */
function kindsMarkup({ content = {}, description }: DocumentAnswer): string {
  const problem = content[PROBLEM_MEDIA_TYPE];
  if (problem === undefined)
    return inlineProse(description) + contentMarkup({ content, headers: {}, description });
  const kinds = Object.keys(problem.examples ?? {});
  const others = kinds.filter((kind) => !(EVERY_ROUTE as readonly string[]).includes(kind));
  return others.map((kind) => `<a href="#problem-${kind}">${escapeHtml(kind)}</a>`).join(', ');
}
