/**
 * Builds the page into dist, where a gateway finds it: the page itself, and files whose names change with their
 * content. Each is also written compressed, so that no request compresses anything.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const folder = dirname(fileURLToPath(import.meta.url));
const outDir = join(folder, '..', '..', 'dist', 'apps', 'dashboard', 'page');

export default {
  root: folder,
  // The page is at `/`, and what it loads at `/page/`.
  base: '/page/',
  logLevel: 'warn',
  build: {
    outDir,
    emptyOutDir: true,
    assetsDir: '',
    assetsInlineLimit: 0,
    target: 'es2022',
    modulePreload: { polyfill: false },
  },
  plugins: [
    {
      name: 'compress',
      closeBundle() {
        for (const name of readdirSync(outDir)) {
          const bytes = readFileSync(join(outDir, name));
          writeFileSync(join(outDir, `${name}.br`), brotliCompressSync(bytes));
          writeFileSync(join(outDir, `${name}.gz`), gzipSync(bytes, { level: 9 }));
        }
      },
    },
  ],
};
