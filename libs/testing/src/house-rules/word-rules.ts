/** The rule about words that a better one has replaced. */
import ts from 'typescript';
import type { HouseRule, Violation } from './rule.js';
import { lineOf, walk, type SourceFile } from './source-file.js';

/** The rule is in force in these folders, and in every file of the root. */
export const FOLDERS: readonly string[] = ['.ci/', 'apps/', 'deploy/', 'libs/'];

/** The rule leaves these paths out. */
export const LEFT_OUT: readonly string[] = [
  // The database generates it, with the comments of landed migrations.
  'libs/store/schema.sql',
  // npm generates it.
  'package-lock.json',
];

/** A landed migration never changes, so the rule does not read its SQL. */
const MIGRATIONS = 'libs/store/src/migrations/';

/** These files name the words: the rules, and the texts on which they are tried. */
const NAMING: ReadonlySet<string> = new Set([
  'libs/testing/src/documents.unit.spec.ts',
  'libs/testing/src/documents/document-rules.ts',
  'libs/testing/src/house-rules.unit.spec.ts',
  'libs/testing/src/house-rules/word-rules.ts',
]);

/**
 * What to write for each of the words. A blank in a pattern is any gap between two words, also one between two lines.
 */
const REPLACEMENTS: readonly (readonly [pattern: string, instead: string, where?: 'prose'])[] = [
  [
    '(?:an?|the|this|that|its|each|one|which|another|former|earlier|later|two) makings?',
    'stream incarnation',
  ],
  ['eras?', 'stream incarnation'],
  ['anew', 'again'],
  ['told', 'the answer is, … gets, … knows'],
  ['beside', 'next to, in addition to'],
  ['so (?:many|much|long)', 'as many, as much, as long; or the figure', 'prose'],
  ['whoever', 'a client that, a user who'],
  // In quotes it is the system user.
  [`(?:(?<!["'\`])nobody|nobody(?!["'\`:]))`, 'no client, no other process'],
  ['bears', 'carries, has'],
  ['has not the', 'does not have the'],
  [`(?<!\\bthere )is no(?! (?:longer|more)\\b)`, 'is not a', 'prose'],
  ['at work', 'in use, under way'],
  ['company', 'atomic batch'],
  ['wanted', 'requested, expected'],
  ['publish together', 'atomic batch'],
  ['cautions?', 'claim strategy'],
  ['sights?', 'snapshot, inspection'],
  ['(?:an?|each|every|first|last|next|one|per|this|two) looks?', 'inspection, probe'],
  ['look(?:s|ed|ing)? at', 'inspect'],
  ['waiting lines?', 'queue'],
  ['intake', 'batch buffer'],
  // The client's option has this name.
  ['inbox prefix', 'reply prefix', 'prose'],
  ['see the head of this file', 'nothing: describe the export itself'],
];

const GAP = String.raw`(?:[ \t]+|[ \t]*\r?\n[ \t]*(?:(?:\*|//|#)[ \t]*)?)`;
const PATTERNS = REPLACEMENTS.map(([pattern, instead, where]) => ({
  pattern: new RegExp(String.raw`\b(?:${pattern.replaceAll(' ', GAP)})\b`, 'gi'),
  instead,
  isForNames: where === undefined,
}));

/** Words of prose that do not belong into a name. */
const NAME_WORDS: ReadonlyMap<string, string> = new Map([
  ['within', 'timeout'],
  ['look', 'inspect, check'],
  ['looks', 'inspections, checks'],
  ['tell', 'report, show'],
  ['tells', 'reports, shows'],
  ['making', 'incarnation'],
  ['makings', 'incarnations'],
]);

/** A replaced word, where it begins, and what to write instead. */
export interface ReplacedWord {
  readonly index: number;
  readonly word: string;
  readonly instead: string;
}

/**
 * Finds the replaced words of a text.
 *
 * @param isName whether the text is a name, taken apart into words; some words are replaced in prose only
 */
export function replacedWords(text: string, isName = false): ReplacedWord[] {
  return PATTERNS.filter(({ isForNames }) => !isName || isForNames)
    .flatMap(({ pattern, instead }) =>
      [...text.matchAll(pattern)].map(({ index, 0: word }) => ({ index, word, instead })),
    )
    .sort((a, b) => a.index - b.index);
}

/** The rule about words that a better one has replaced. */
export const wordRules: { readonly fieldWords: HouseRule } = {
  fieldWords: {
    name: 'names, comments and pages use the words of the field, and none that was replaced',
    remedy: 'write the word behind the arrow, or a sentence without either',
    check: (files) => files.filter(({ path }) => isInForce(path)).flatMap(violationsOf),
  },
};

function isInForce(path: string): boolean {
  const isOurs = !path.includes('/') || FOLDERS.some((folder) => path.startsWith(folder));
  return isOurs && !LEFT_OUT.some((left) => path.startsWith(left)) && !NAMING.has(path);
}

function violationsOf(file: SourceFile): Violation[] {
  const { path, text, syntax } = file;
  const inText = replacedWords(path.startsWith(MIGRATIONS) ? withoutTemplates(file) : text).map(
    ({ index, word, instead }) => ({
      path,
      line: text.slice(0, index).split('\n').length,
      found: arrow(word.replaceAll(/\s+(?:\*|\/\/|#)?\s*/g, ' '), instead),
    }),
  );
  const inPath = nameViolation(path.replace(/^.*\//, '').replace(/\..*$/, ''), 1);
  return [
    ...(inPath === undefined ? [] : [{ path, found: inPath }]),
    ...inText,
    ...(syntax === undefined ? [] : namesIn(path, syntax.tree)),
  ];
}

/** Returns the text with blanks in place of template literals. Positions and lines stay the same. */
function withoutTemplates({ text, syntax }: SourceFile): string {
  let left = text;
  if (syntax !== undefined)
    walk(syntax.tree, (node) => {
      if (!ts.isTemplateLiteral(node)) return;
      const blanks = left.slice(node.getStart(), node.getEnd()).replaceAll(/[^\n]/g, ' ');
      left = left.slice(0, node.getStart()) + blanks + left.slice(node.getEnd());
    });
  return left;
}

/** A name is read as its words: `waitingLine`, `WAITING_LINE` and `waiting-line` are "waiting line". */
function namesIn(path: string, tree: ts.SourceFile): Violation[] {
  const violations: Violation[] = [];
  walk(tree, (node) => {
    if (!ts.isIdentifier(node) && !ts.isPrivateIdentifier(node)) return;
    // A name of one word is a word of the text, too.
    const found = nameViolation(node.text, 2);
    if (found !== undefined) violations.push({ path, line: lineOf(tree, node), found });
  });
  return violations;
}

function nameViolation(name: string, wordsMin: number): string | undefined {
  const words = name.split(/(?<=[a-z0-9])(?=[A-Z])|[_$#-]+/).map((word) => word.toLowerCase());
  const word = words.find((one) => NAME_WORDS.has(one));
  if (word !== undefined) return arrow(name, NAME_WORDS.get(word) ?? '');
  const [replaced] = words.length >= wordsMin ? replacedWords(words.join(' '), true) : [];
  return replaced && arrow(name, replaced.instead);
}

function arrow(found: string, instead: string): string {
  return `"${found}" → ${instead}`;
}
