/**
 * A file of the tree for the house rules: its imports and its syntax, from the compiler's own parser.
 *
 * Paths are relative to the root of the repository, with forward slashes.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, posix } from 'node:path';
import ts from 'typescript';

/** One `import`, `export … from`, `import()` or `import('…')` type. */
export interface ModuleReference {
  /** The written form: `./event.js`, `#store`, `pg`. */
  readonly specifier: string;
  /** The file of ours that it leads to, or `undefined` for a package. */
  readonly target: string | undefined;
  /** Whether the compiler erases it, so that nothing is loaded. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** A text file; only TypeScript has a `syntax`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly syntax: Syntax | undefined;
}

/** The result of the parser. */
export interface Syntax {
  readonly tree: ts.SourceFile;
  readonly references: readonly ModuleReference[];
  /** Lines with code: neither blank nor only a comment. */
  readonly codeLines: number;
}

const LEFT_OUT = new Set(['node_modules', 'dist', 'coverage']);
const TEXT_BYTES_MAX = 1_000_000;
const TEXT_NAMES = new Set(['Dockerfile', 'LICENSE', 'run', '.env.example', '.editorconfig', '.gitignore']);
const TEXT_EXTENSIONS = new Set(
  'ts mts cts js mjs cjs json md yml yaml sql html css svg txt conf sh toml'
    .split(' ')
    .map((name) => `.${name}`),
);

/**
 * Reads every text file of the repository. Hidden folders except `.ci` and `.github` are left out.
 *
 * @param isIncluded says by its path whether a file is read; the default reads all
 */
export function readTree(root: string, isIncluded: (path: string) => boolean = () => true): SourceFile[] {
  return listFiles(root, '')
    .filter(isIncluded)
    .map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')));
}

/** Parses a text, for the tree and for the bad examples. */
export function parseSource(path: string, text: string): SourceFile {
  if (!/\.[mc]?ts$/.test(path)) return { path, text, syntax: undefined };
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  return {
    path,
    text,
    syntax: { tree, references: findReferences(tree, path), codeLines: countCodeLines(tree) },
  };
}

/** Calls `visit` for a node and everything below it. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => {
    walk(child, visit);
  });
}

/** The line of a node, counted from 1. */
export function lineOf(tree: ts.SourceFile, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
}

function listFiles(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) {
      const hidden = entry.name.startsWith('.') && !['.ci', '.github'].includes(entry.name);
      return hidden || LEFT_OUT.has(entry.name) ? [] : listFiles(root, path);
    }
    const isText = entry.isFile() && (TEXT_EXTENSIONS.has(extname(entry.name)) || TEXT_NAMES.has(entry.name));
    return isText && statSync(join(root, path)).size <= TEXT_BYTES_MAX ? [path] : [];
  });
}

function findReferences(tree: ts.SourceFile, path: string): ModuleReference[] {
  const references: ModuleReference[] = [];
  walk(tree, (node) => {
    const found = moduleOf(node);
    if (found === undefined) return;
    const { text: specifier } = found.name;
    references.push({
      specifier,
      target: resolveOwn(specifier, path),
      typeOnly: found.typeOnly,
      line: lineOf(tree, node),
    });
  });
  return references;
}

function moduleOf(node: ts.Node): { name: ts.StringLiteralLike; typeOnly: boolean } | undefined {
  if (ts.isImportDeclaration(node) && ts.isStringLiteralLike(node.moduleSpecifier)) {
    return { name: node.moduleSpecifier, typeOnly: importsOnlyTypes(node.importClause) };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteralLike(node.moduleSpecifier)) {
    return { name: node.moduleSpecifier, typeOnly: node.isTypeOnly };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [name] = node.arguments;
    return name && ts.isStringLiteralLike(name) ? { name, typeOnly: false } : undefined;
  }
  if (
    ts.isImportTypeNode(node) &&
    ts.isLiteralTypeNode(node.argument) &&
    ts.isStringLiteral(node.argument.literal)
  ) {
    return { name: node.argument.literal, typeOnly: true };
  }
  return undefined;
}

function importsOnlyTypes(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = clause;
  if (name !== undefined || namedBindings === undefined || !ts.isNamedImports(namedBindings)) return false;
  return namedBindings.elements.every((element) => element.isTypeOnly);
}

function resolveOwn(specifier: string, from: string): string | undefined {
  if (specifier.startsWith('#')) {
    const [library = '', ...folders] = specifier.slice(1).split('/');
    return ['libs', library, 'src', ...folders, 'index.ts'].join('/');
  }
  if (!specifier.startsWith('.')) return undefined;
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}

function countCodeLines(tree: ts.SourceFile): number {
  const lines = new Set<number>();
  walk(tree, (node) => {
    if (node.getChildCount(tree) > 0 || node.kind === ts.SyntaxKind.EndOfFileToken || isComment(node)) return;
    const first = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line;
    const last = tree.getLineAndCharacterOfPosition(node.getEnd()).line;
    for (let line = first; line <= last; line++) lines.add(line);
  });
  return lines.size;
}

function isComment(node: ts.Node): boolean {
  return node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode;
}
