/** A Markdown page of the repository: its blocks of code, its headings, its links and its prose. */
import { readTree } from '../house-rules/source-file.js';

/** A page, by its path from the root of the repository. */
export interface Document {
  readonly path: string;
  readonly text: string;
}

/** A fenced block of code. */
export interface CodeBlock {
  /** The text behind the fence: `sh`, `console`, `ts`; empty when there is none. */
  readonly language: string;
  /** The line of its first line of code, counted from 1. */
  readonly line: number;
  readonly text: string;
}

/** A link or an image. */
export interface Link {
  readonly line: number;
  readonly target: string;
}

/** A sentence, a cell of a table, or an item of a list. */
export interface Sentence {
  readonly line: number;
  readonly text: string;
}

/** All pages in the order of their paths, the root's first. */
export function readDocuments(root: string): Document[] {
  const pages = readTree(root, (path) => path.endsWith('.md'));
  const depth = ({ path }: Document): number => path.split('/').length;
  return pages.sort((one, other) => depth(one) - depth(other) || (one.path < other.path ? -1 : 1));
}

/** The blocks of a page between fences, also indented ones. */
export function codeBlocks({ text }: Document): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  for (const match of text.matchAll(/^( *)```(\S*)\n([^]*?)^\1```$/gm)) {
    const [, indent = '', language = '', code = ''] = match;
    const line = lineAt(text, match.index) + 1;
    blocks.push({ language, line, text: code.replaceAll(new RegExp(`^${indent}`, 'gm'), '') });
  }
  return blocks;
}

/** The targets of a page's links and images. */
export function linksOf(document: Document): Link[] {
  const text = withoutInlineCode(withoutBlocks(document.text));
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => ({
    line: lineAt(text, match.index),
    target: match[1] ?? '',
  }));
}

/** The anchors of a page's headings, by the rule of the sites that show Markdown. */
export function anchorsOf(document: Document): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of withoutBlocks(document.text).matchAll(/^#{1,6} +(.+)$/gm)) {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** Commands and names in the prose, between single back quotes. */
export function inlineCode(document: Document): Sentence[] {
  const text = withoutBlocks(document.text);
  return [...text.matchAll(/`([^`\n]+)`/g)].map((match) => ({
    line: lineAt(text, match.index),
    text: match[1] ?? '',
  }));
}

/** The sentences that somebody wrote: without code, headings, and generated parts. */
export function sentencesOf(document: Document): Sentence[] {
  const prose = withoutGenerated(withoutBlocks(document.text))
    .replaceAll(/`[^`\n]+`/g, 'code')
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[*_]{1,2}(\S[^*_\n]*)[*_]{1,2}/g, '$1');
  return prose.split('\n').flatMap((content, index) => {
    if (/^#|^\|[-:| ]+\|$/.test(content)) return [];
    const pieces = content.startsWith('|')
      ? content.split('|')
      : [content.replace(/^ *(?:[-*]|\d+\.) +/, '')];
    return pieces
      .flatMap((piece) => piece.split(/(?<=[.!?]["')]?)\s+/))
      .map((sentence) => sentence.trim())
      .filter((sentence) => sentence !== '')
      .map((sentence) => ({ line: index + 1, text: sentence }));
  });
}

/** The same text with the same number of lines, but with empty lines for code. */
function withoutBlocks(text: string): string {
  return text.replaceAll(/^( *)```\S*\n[^]*?^\1```$/gm, emptied);
}

function withoutGenerated(text: string): string {
  return text.replaceAll(/<!-- (\S+) -->[^]*?<!-- \/\1 -->/g, emptied);
}

function withoutInlineCode(text: string): string {
  // A link's own text may be code. Only a piece that is code as a whole is removed.
  return text.replaceAll(/`[^`\n]*`/g, 'code');
}

function emptied(part: string): string {
  return '\n'.repeat(part.split('\n').length - 1);
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
