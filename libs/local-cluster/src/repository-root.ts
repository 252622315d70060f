/** Finds the clone from any current directory. The source tree and `dist` lie at different depths in it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LocalClusterError } from './local-cluster-error.js';

/** Absolute path of the folder whose package.json is named `sekali`, searched upwards from this file. */
export function findRepositoryRoot(from = dirname(fileURLToPath(import.meta.url))): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) {
      const { name } = JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string };
      if (name === 'sekali') return folder;
    }
    if (dirname(folder) === folder) {
      throw new LocalClusterError(
        `No package.json named "sekali" above ${from}: run sekali from a clone of its repository.`,
      );
    }
  }
}
