/** The rules of every page: its links lead somewhere, and its sentences are easy to read. */
import { posix } from 'node:path';
import { BEGINNING } from './command.js';
import { anchorsOf, codeBlocks, linksOf, sentencesOf, type Document } from './document.js';
import type { Violation } from '../house-rules/rule.js';
import { replacedWords } from '../house-rules/word-rules.js';

/** A longer sentence has to be read twice. */
export const SENTENCE_WORDS_MAX = 25;

/** Languages of blocks in which no line is a command. The commands of `sh` and `console` blocks are run. */
const QUIET_LANGUAGES = new Set(['', 'go', 'ini', 'json', 'js', 'python', 'sql', 'ts']);

/** Words that only a page forbids. A comment may use them, as in "making a copy". */
const PAGE_WORDS = /\bmaking\b/i;

/**
 * Links that lead to no file of the repository, or to no heading of a page. Links to other hosts are not checked.
 *
 * @param exists says whether there is a file or folder at a path from the root
 */
export function brokenLinks(documents: readonly Document[], exists: (path: string) => boolean): Violation[] {
  const byPath = new Map(documents.map((document) => [document.path, document]));
  return documents.flatMap((document) =>
    linksOf(document)
      .filter(({ target }) => !/^[a-z]+:/i.test(target))
      .filter(({ target }) => {
        const [file = '', anchor] = target.split('#');
        const path = file === '' ? document.path : posix.join(posix.dirname(document.path), file);
        if (path.startsWith('..') || !exists(path)) return true;
        const page = byPath.get(path);
        return anchor !== undefined && (page === undefined || !anchorsOf(page).has(anchor));
      })
      .map(({ line, target }) => ({ path: document.path, line, found: target })),
  );
}

/** Sentences that are too long. */
export function longSentences(documents: readonly Document[]): Violation[] {
  return documents.flatMap((document) =>
    sentencesOf(document).flatMap(({ line, text }) => {
      const words = text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
      return words > SENTENCE_WORDS_MAX
        ? [{ path: document.path, line, found: `${words} words: ${text}` }]
        : [];
    }),
  );
}

/** Words that were replaced. */
export function foreignWords(documents: readonly Document[]): Violation[] {
  return documents.flatMap((document) =>
    sentencesOf(document).flatMap(({ line, text }) => {
      const word = PAGE_WORDS.exec(text)?.[0] ?? replacedWords(text)[0]?.word;
      return word === undefined ? [] : [{ path: document.path, line, found: `"${word}" in: ${text}` }];
    }),
  );
}

/** Commands in blocks whose commands are not run, and blocks of an unknown language. */
export function hiddenCommands(documents: readonly Document[]): Violation[] {
  return documents.flatMap((document) =>
    codeBlocks(document)
      .filter(({ language }) => !['sh', 'console'].includes(language))
      .flatMap(({ language, line, text }) => {
        if (!QUIET_LANGUAGES.has(language))
          return [{ path: document.path, line, found: `language ${language}` }];
        const command = text.split('\n').find((content) => BEGINNING.test(content.replace(/^\s*\$? ?/, '')));
        return command === undefined ? [] : [{ path: document.path, line, found: command }];
      }),
  );
}
