/** Checks that the README has all faults and sabotages. UPDATE_README=1 writes them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { catalogue } from './nemesis/catalogue.js';
import { SABOTAGES } from './options.js';

const readme = new URL('../README.md', import.meta.url);
const ofRoot = new URL('../../../README.md', import.meta.url);

const PARTS: Readonly<Record<string, string>> = {
  faults: [
    `There are ${catalogue.length} kinds:`,
    '',
    '| fault | what it does |',
    '|---|---|',
    ...catalogue.map(({ name, what }) => `| \`${name}\` | ${what} |`),
    '',
  ].join('\n'),
  sabotages: [
    '| sabotage | the program that is wrong |',
    '|---|---|',
    ...Object.entries(SABOTAGES).map(([name, program]) => `| \`${name}\` | ${program} |`),
    '',
  ].join('\n'),
};

const partOf = (name: string): RegExp => new RegExp(`<!-- ${name} -->\\n([^]*?)<!-- /${name} -->`);

if (process.env['UPDATE_README'] === '1') {
  const text = Object.entries(PARTS).reduce(
    (before, [name, part]) =>
      before.replace(partOf(name), () => `<!-- ${name} -->\n${part}<!-- /${name} -->`),
    readFileSync(readme, 'utf8'),
  );
  writeFileSync(readme, text);
}

describe('the README of the judge', () => {
  it.each(Object.keys(PARTS))('lists all %s', (name) => {
    expect(partOf(name).exec(readFileSync(readme, 'utf8'))?.[1]).toBe(PARTS[name]);
  });

  it('lists each once, with a description of its own', () => {
    const { faults = '', sabotages = '' } = PARTS;
    expect(faults.match(/^\| `[a-z-]+` \| [^|]+ \|$/gm)).toHaveLength(catalogue.length);
    expect(sabotages.match(/^\| `[a-z-]+` \| (?:worker|gateway) \|$/gm)).toHaveLength(
      Object.keys(SABOTAGES).length,
    );
  });
});

describe('the README of the root', () => {
  it('says how many kinds of faults there are', () => {
    expect(readFileSync(ofRoot, 'utf8')).toContain(`[${catalogue.length} kinds of faults]`);
  });
});
