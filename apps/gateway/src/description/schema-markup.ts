/** JSON Schemas as markup: a type in a few words, and the members of an object as a table. */
import { code, escapeHtml, inlineProse, table, textOf } from './markup.js';
import type { Schema } from './operation.js';

const REFERENCE = /^#\/components\/schemas\/(.+)$/;

/** A schema in a few words. A named one is a link. */
export function typeMarkup(schema: Schema): string {
  const name = REFERENCE.exec(textOf(schema['$ref']))?.[1];
  if (name !== undefined) return `<a href="#schema-${escapeHtml(name)}">${escapeHtml(name)}</a>`;
  const choices = choicesOf(schema);
  if (choices !== undefined) return choices.map(typeMarkup).join(' or ');
  if (schema['const'] !== undefined) return code(JSON.stringify(schema['const']));
  if (Array.isArray(schema['enum'])) return schema['enum'].map((value) => code(String(value))).join(' ');
  return plainType(schema);
}

function plainType(schema: Schema): string {
  const types = [schema['type'] ?? 'any value'].flat().map(String);
  if (types.includes('array')) return `array of ${typeMarkup((schema['items'] ?? {}) as Schema)}`;
  if (types.includes('object') && typeof schema['additionalProperties'] === 'object')
    return `object of ${typeMarkup(schema['additionalProperties'] as Schema)}`;
  const format = schema['format'] === undefined ? '' : `, ${escapeHtml(textOf(schema['format']))}`;
  return `${escapeHtml(types.join(' or '))}${format}${boundsOf(schema)}`;
}

function choicesOf(schema: Schema): readonly Schema[] | undefined {
  const choices = schema['anyOf'] ?? schema['oneOf'];
  return Array.isArray(choices) ? (choices as Schema[]) : undefined;
}

function boundsOf({ minimum, maximum, minLength, maxLength }: Schema): string {
  const from = textOf(minimum ?? minLength);
  const to = textOf(maximum ?? maxLength);
  const unit = maxLength === undefined ? '' : ' characters';
  if (from !== '' && to !== '') return `, ${from} to ${to}${unit}`;
  if (from !== '') return `, ${from} or more`;
  return to === '' ? '' : `, at most ${to}${unit}`;
}

/** A schema with its description and its members. Members that are objects without a name are opened. */
export function schemaMarkup(schema: Schema): string {
  const rows = rowsOf(schema, '');
  const pattern = schema['pattern'] === undefined ? '' : `<p>Pattern ${code(textOf(schema['pattern']))}</p>`;
  const type = rows.length > 0 ? '' : `<p>${typeMarkup(schema)}</p>`;
  return `${descriptionOf(schema)}${type}${pattern}${table(['Member', 'Type', ''], rows, 'Members')}`;
}

function descriptionOf({ description }: Schema): string {
  return typeof description === 'string' ? `<p>${inlineProse(description)}</p>` : '';
}

function rowsOf(schema: Schema, prefix: string): string[][] {
  const members = Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, Schema>>);
  const required = (schema['required'] ?? []) as readonly string[];
  return members.flatMap(([name, member]) => {
    const note = typeof member['description'] === 'string' ? inlineProse(member['description']) : '';
    const optional = required.includes(name) ? '' : ' <small>optional</small>';
    const row = [`${code(prefix + name)}${optional}`, typeMarkup(member), note];
    return member['properties'] === undefined ? [row] : [row, ...rowsOf(member, `${prefix}${name}.`)];
  });
}
