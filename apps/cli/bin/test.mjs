#!/usr/bin/env node
/**
 * `npm test`: prepares the clone if necessary (some tests start the built programs), then runs jest with the given
 * arguments. It says so when there is no Chromium for the tests of the page.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { findChromium } from '../../dashboard/chromium.mjs';
import { main, prepare, root } from './prepare.mjs';

await main(async () => {
  await prepare();
  const options = [
    process.env.NODE_OPTIONS,
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
  ];
  const jest = spawn(
    process.execPath,
    [join(root, 'node_modules', 'jest', 'bin', 'jest.js'), ...process.argv.slice(2)],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, NODE_OPTIONS: options.filter(Boolean).join(' ') },
    },
  );
  // Ctrl-C reaches jest directly, and jest decides when to end.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => jest.kill('SIGTERM'));
  process.exitCode = await new Promise((resolve) => jest.once('exit', (code) => resolve(code ?? 1)));
  if (findChromium() === undefined) {
    process.stderr.write(
      'The tests of the page were left out, because there is no Chromium: install one, or set SEKALI_CHROMIUM to its path.\n',
    );
  }
});
