/** What every page keeps to: its links lead somewhere, and its sentences can be read once. */
import { posix } from 'node:path';
import { BEGINNING } from './command.js';
import { anchorsOf, codeBlocks, linksOf, sentencesOf, type Document } from './document.js';
import type { Violation } from '../house-rules/rule.js';

/** A sentence of more is read twice. */
export const SENTENCE_WORDS_MAX = 25;

/** Languages of blocks in which no line is a command. Those of `sh` and `console` are, and are run. */
const QUIET_LANGUAGES = new Set(['', 'json', 'js', 'sql', 'ts']);

/** Words that send an English reader back to the beginning of the sentence, or that another word replaced. */
const WORDS =
  /\b(?:making|anew|told|beside|so (?:many|much|long)|whoever|nobody|bears|has not the|is no|at work|era|sight)\b/i;

/**
 * Links that lead to no file of the repository, or to no heading of a page. Those to other hosts are not looked at.
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

/** Words that have a better one. */
export function foreignWords(documents: readonly Document[]): Violation[] {
  return documents.flatMap((document) =>
    sentencesOf(document).flatMap(({ line, text }) => {
      const word = WORDS.exec(text)?.[0];
      return word === undefined ? [] : [{ path: document.path, line, found: `"${word}" in: ${text}` }];
    }),
  );
}

/** Commands in blocks that are not read as such, and blocks of a language that is not known. */
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
