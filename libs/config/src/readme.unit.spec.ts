/** The settings table of the README is the settings' own. UPDATE_README=1 writes it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import {
  clientFields,
  connectionFields,
  gatewayFields,
  localClusterFields,
  setupFields,
  streamFields,
  workerFields,
} from './settings.js';

const readme = new URL('../../../README.md', import.meta.url);
const TABLE = /<!-- settings -->\n([^]*?)<!-- \/settings -->/;

const GROUPS: [string, Record<string, z.ZodType>][] = [
  ['all', connectionFields],
  ['setup, worker', streamFields],
  ['setup', setupFields],
  ['gateway', gatewayFields],
  ['worker', workerFields],
  ['command line', clientFields],
  ['`sekali up`', localClusterFields],
];

function initialValue(field: z.ZodType): string {
  const value = field.safeParse(undefined).data as string | number | undefined;
  return value === undefined ? '' : `\`${value}\``;
}

function table(): string {
  const readers = new Map<string, string[]>();
  for (const [group, fields] of GROUPS) {
    for (const name of Object.keys(fields)) readers.set(name, [...(readers.get(name) ?? []), group]);
  }
  const fields = Object.assign({}, ...GROUPS.map(([, group]) => group)) as Record<string, z.ZodType>;
  const rows = Object.entries(fields).map(
    ([name, field]) =>
      `| \`${name}\` | ${(readers.get(name) ?? []).join(', ')} | ${initialValue(field)} | ${field.description ?? ''} |`,
  );
  return ['| setting | read by | default | |', '|---|---|---|---|', ...rows, ''].join('\n');
}

describe('the README', () => {
  it('lists every setting with its default', () => {
    const text = readFileSync(readme, 'utf8');
    if (process.env['UPDATE_README'] === '1') {
      writeFileSync(readme, text.replace(TABLE, `<!-- settings -->\n${table()}<!-- /settings -->`));
    }
    expect(TABLE.exec(readFileSync(readme, 'utf8'))?.[1]).toBe(table());
  });
});
