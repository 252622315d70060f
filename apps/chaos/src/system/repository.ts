/** The clone of this program, which also has the programs that are judged. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory whose package.json is named "sekali", at or above this file. Throws when there is none. */
export function findRepository(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let directory = start; ; directory = dirname(directory)) {
    if (nameOfPackage(directory) === 'sekali') return directory;
    if (dirname(directory) === directory)
      throw new Error(`no package.json named "sekali" at or above ${start}: run it from a clone`);
  }
}

/**
 * The built file of one of our programs. When it is not built, it throws with the remedy.
 *
 * @param file within the app, without its ending
 */
export function builtProgram(app: string, file = 'src/main'): string {
  const path = join(findRepository(), 'dist', 'apps', app, `${file}.js`);
  if (!existsSync(path)) throw new Error(`${path} is missing: run "npm run build"`);
  return path;
}

function nameOfPackage(directory: string): unknown {
  try {
    return (JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { name?: unknown }).name;
  } catch {
    return undefined;
  }
}
