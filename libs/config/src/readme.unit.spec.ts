/** The tables of deploy/SETTINGS.md are the settings' own. UPDATE_README=1 writes them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import {
  accountsFields,
  clientFields,
  connectionFields,
  gatewayFields,
  localClusterFields,
  metricsFields,
  setupFields,
  streamFields,
  workerFields,
} from './settings.js';

const page = new URL('../../../deploy/SETTINGS.md', import.meta.url);
const TABLES = /<!-- settings -->\n([^]*?)<!-- \/settings -->/;

const GROUPS: [string, Record<string, z.ZodType>][] = [
  ['all programs', connectionFields],
  ['setup, worker', streamFields],
  ['setup', setupFields],
  ['gateway', { ...metricsFields, ...gatewayFields }],
  ['worker', { ...metricsFields, ...workerFields }],
  ['accounts', { ...metricsFields, ...accountsFields }],
  ['the commands', clientFields],
  ['`sekali up`', localClusterFields],
];

function initialValue(field: z.ZodType): string {
  const value = field.safeParse(undefined).data as string | number | undefined;
  return value === undefined ? '' : `\`${value}\``;
}

/** Settings by the programs that read them, each group below a heading, in the order of `GROUPS`. */
function tables(): string {
  const fields = Object.assign({}, ...GROUPS.map(([, group]) => group)) as Record<string, z.ZodType>;
  const byReaders = new Map<string, string[]>();
  for (const [name, field] of Object.entries(fields)) {
    const readers = GROUPS.filter(([, group]) => name in group).map(([reader]) => reader);
    const row = `| \`${name}\` | ${initialValue(field)} | ${field.description ?? ''} |`;
    const key = readers.join(', ');
    byReaders.set(key, [...(byReaders.get(key) ?? []), row]);
  }
  const parts = [...byReaders].map(([readers, rows]) =>
    [`### Read by ${readers}`, '', '| setting | default | |', '|---|---|---|', ...rows, ''].join('\n'),
  );
  return parts.join('\n');
}

describe('the page of settings', () => {
  it('lists every setting with its default', () => {
    if (process.env['UPDATE_README'] === '1') {
      const text = readFileSync(page, 'utf8');
      writeFileSync(
        page,
        text.replace(TABLES, () => `<!-- settings -->\n${tables()}<!-- /settings -->`),
      );
    }
    const written = TABLES.exec(readFileSync(page, 'utf8'))?.[1] ?? '';
    expect(written).toBe(tables());
    for (const [, group] of GROUPS)
      for (const name of Object.keys(group)) expect(written).toContain(`| \`${name}\` |`);
  });
});
