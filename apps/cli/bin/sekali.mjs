#!/usr/bin/env node
/** The `sekali` command from a clone: prepares the clone if necessary, then runs the built program in this process. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { main, prepare, root } from './prepare.mjs';

await main(async () => {
  await prepare();
  await import(pathToFileURL(join(root, 'dist', 'apps', 'cli', 'src', 'main.js')).href);
});
