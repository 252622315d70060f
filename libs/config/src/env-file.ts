/**
 * Reads `.env`, but only in the clone that this program runs from.
 *
 * Settings name programs to run, systems to contact and files with secrets. Another folder, such as an unpacked archive
 * or a cloned project, must not choose them for a user who runs `sekali` in it. A `.env` that is not read is reported.
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'dotenv';

const FILE = '.env';
const BYTES_MAX = 1_048_576;
const OUR_SETTING = /^\s*(?:export\s+)?SEKALI_\w+\s*[=:]/m;

/** The settings of a `.env`, and a notice about it. */
export interface EnvFile {
  readonly settings: Readonly<Record<string, string>>;
  /** One line; undefined when there is nothing to say. */
  readonly notice?: string;
}

/**
 * Reads `.env` of a folder if that is the root of the clone.
 *
 * @param folder usually the current directory
 * @param root of the clone that this program is part of; undefined outside of any
 */
export function readEnvFile(folder: string, root = findRoot()): EnvFile {
  const text = readPlainFile(join(folder, FILE));
  if (text === undefined) return { settings: {} };
  if (root !== undefined && realpathSync(folder) === realpathSync(root)) return { settings: parse(text) };
  if (!OUR_SETTING.test(text)) return { settings: {} };
  const where =
    root === undefined ? 'the environment' : `the environment, or from ${FILE} when run in ${root}`;
  return {
    settings: {},
    notice: `${join(folder, FILE)} has settings and is not read: they come from ${where}`,
  };
}

/** Only a plain file is read, because a pipe or a device might never end. */
function readPlainFile(path: string): string | undefined {
  try {
    const found = statSync(path);
    return found.isFile() && found.size <= BYTES_MAX ? readFileSync(path, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The folder whose package.json is named `sekali`, searched upwards from this file and not from the current directory.
 */
function findRoot(from = dirname(fileURLToPath(import.meta.url))): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) {
      const { name } = JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string };
      if (name === 'sekali') return folder;
    }
    if (dirname(folder) === folder) return undefined;
  }
}
