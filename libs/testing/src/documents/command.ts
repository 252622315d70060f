/**
 * Finds the commands of a page. They are the lines of a block of `sh` and the lines behind `$` in a block of `console`.
 * Inline code that starts like a command counts, too.
 *
 * They are read as a shell does, as far as documents need it: quotes, comments, continued lines, `&&`, `;` and `|`.
 */
import { codeBlocks, inlineCode, type Document } from './document.js';

/** One command. */
export interface Command {
  readonly path: string;
  /** The line of its first word, or of its block. */
  readonly line: number;
  /** `NAME=value` in front of it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly words: readonly string[];
  /** The output that the page shows. Empty where it shows none. */
  readonly output: readonly string[];
}

/** The beginnings of a command. */
export const BEGINNING = /^(?:npm|npx|node|sekali|docker|curl|git|sh|deploy\/\S+\.sh) \S|^deploy\/\S+\.sh$/;

/** All commands of a page, in their order. */
export function commandsOf(document: Document): Command[] {
  const { path } = document;
  const blocks = codeBlocks(document).flatMap((block) => {
    if (block.language === 'sh')
      return parseShell(block.text).commands.map((words) => command(path, block.line, words, []));
    if (block.language === 'console') return consoleCommands(path, block.text, block.line);
    return [];
  });
  const inline = inlineCode(document)
    .filter(({ text }) => BEGINNING.test(text))
    .flatMap(({ text, line }) => parseShell(text).commands.map((words) => command(path, line, words, [])));
  return [...blocks, ...inline];
}

/** A session: the text behind `$ ` was typed, and the rest was printed. */
function consoleCommands(path: string, text: string, firstLine: number): Command[] {
  const commands: Command[] = [];
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const typed = /^\$ (.*)$/.exec(lines[index] ?? '')?.[1];
    if (typed === undefined) continue;
    const line = firstLine + index;
    let whole = typed;
    while (parseShell(whole).isOpen && index + 1 < lines.length) whole += `\n${lines[++index] ?? ''}`;
    let end = index + 1;
    while (end < lines.length && !lines[end]?.startsWith('$ ')) end++;
    const output = lines.slice(index + 1, end).filter((content) => content.trim() !== '');
    commands.push(...parseShell(whole).commands.map((words) => command(path, line, words, output)));
  }
  return commands;
}

function command(path: string, line: number, typed: readonly string[], output: readonly string[]): Command {
  const isAssignment = (word: string): boolean => /^[A-Z_][A-Z0-9_]*=/.test(word);
  const first = typed.findIndex((word) => !isAssignment(word));
  const environment = Object.fromEntries(
    typed.slice(0, first).map((word) => {
      const [name = ''] = word.split('=', 1);
      return [name, word.slice(name.length + 1)];
    }),
  );
  return { path, line, environment, words: typed.slice(first), output };
}

/** The words of each command. `isOpen` says that the text ends within quotes or continues behind its last line. */
export function parseShell(text: string): { readonly commands: string[][]; readonly isOpen: boolean } {
  const commands: string[][] = [];
  let words: string[] = [];
  let isOpen = false;
  const endCommand = (): void => {
    if (words.length > 0) commands.push(words);
    words = [];
  };
  for (const [token] of text.matchAll(TOKEN)) {
    isOpen = token === '\\' || /['"]/.test(token.replaceAll(CLOSED, ''));
    if (token.startsWith('#') || /^[ \t]+$|^\\\n$/.test(token)) continue;
    if (['\n', '&&', ';', '|'].includes(token)) endCommand();
    else words.push(unquoted(token));
  }
  endCommand();
  return { commands, isOpen };
}

/** Text in closed quotes, or a character behind a backslash. */
const CLOSED = /'[^']*'|"(?:[^"\\]|\\[^])*"|\\[^]/g;

/** Blanks, a continued line, a comment, the end of a command, a word. */
const TOKEN =
  /[ \t]+|\\\n|(?<![^\s])#[^\n]*|\n|&&|;|\||(?:[^\s'"&;|\\]|&(?!&)|\\[^\n]|'[^']*(?:'|$)|"(?:[^"\\]|\\[^])*(?:"|$))+|\\/g;

function unquoted(word: string): string {
  return word.replaceAll(/'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])/g, (_, single, double, escaped) =>
    String(single ?? escaped ?? String(double ?? '').replaceAll(/\\(["\\$`])/g, '$1')),
  );
}
