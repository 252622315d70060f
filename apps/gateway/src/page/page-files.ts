/**
 * The page as it was built: `apps/dashboard` writes it to `dist`, and a gateway keeps it in memory.
 *
 * Each file was also compressed when it was built, so no request costs more than its bytes. Only names of the folder
 * are served, so no address reaches beyond it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The name of the page itself; the other files are what it loads. */
export const PAGE_NAME = 'index.html';

/** A form of a file's bytes. */
export type PageEncoding = 'br' | 'gzip';

/** One file of the page. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
  /** The same bytes compressed. */
  readonly encoded: Readonly<Partial<Record<PageEncoding, Buffer>>>;
}

const FOLDER = join('dist', 'apps', 'dashboard', 'page');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const SUFFIXES: Readonly<Record<PageEncoding, string>> = { br: '.br', gzip: '.gz' };

/** Reads the files of a folder. A folder that is not there has none. */
export function readPageFiles(folder: string = pageFolder()): ReadonlyMap<string, PageFile> {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return new Map(
    names.flatMap((name) => {
      const type = TYPES[extname(name)];
      if (type === undefined) return [];
      const encoded = Object.fromEntries(
        Object.entries(SUFFIXES)
          .filter(([, suffix]) => names.includes(name + suffix))
          .map(([encoding, suffix]) => [encoding, readFileSync(join(folder, name + suffix))]),
      );
      return [[name, { type, bytes: readFileSync(join(folder, name)), encoded }]];
    }),
  );
}

/** The folder of the build. The sources and `dist` lie at different depths below it. */
function pageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return join(folder, FOLDER);
}
