/** In Docker Compose, the settings of retention reach setup, which writes them into the database, and its amendment. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { readSetupSettings } from '#config';

const read = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');

interface ComposeFile {
  readonly services: Readonly<Record<string, { readonly environment?: Readonly<Record<string, string>> }>>;
}

const NAMES = Object.keys(
  readSetupSettings({
    SEKALI_RETENTION: '>=7d',
    SEKALI_RETENTION_DUPLICATES_DAYS: '7',
    SEKALI_RETENTION_CONFLICTS_DAYS: '7',
    SEKALI_RETENTION_DEAD_LETTERS_DAYS: '7',
    SEKALI_RETENTION_IDS_DAYS: '7',
  }),
).filter((name) => name.startsWith('SEKALI_RETENTION'));

describe('the settings of retention in Docker Compose', () => {
  const { services } = load(read('docker-compose.yml')) as ComposeFile;

  it.each(NAMES)('pass %s from .env to every setup, and to nothing else', (name) => {
    const readers = Object.entries(services).filter(([, { environment }]) => name in (environment ?? {}));
    expect(readers.map(([service]) => service).sort()).toEqual(['amend', 'setup']);
    for (const [, { environment }] of readers) expect(environment?.[name]).toBe(`\${${name}:-}`);
    expect(read('.env.example')).toMatch(new RegExp(`^#${name}=`, 'm'));
  });

  it('are all there', () => {
    expect(NAMES).toHaveLength(5);
  });

  it('are off where .env says nothing, since Compose then passes an empty value', () => {
    const settings = readSetupSettings(Object.fromEntries(NAMES.map((name) => [name, ''])));
    for (const name of NAMES) expect(settings).not.toHaveProperty(name, expect.anything());
  });
});
