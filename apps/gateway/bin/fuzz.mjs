#!/usr/bin/env node
/** `npm run fuzz -- --inputs 100000 --seed 7` runs the gateway's fuzz test with more inputs than `npm run test:slow`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { inputs: { type: 'string', default: '100000' }, seed: { type: 'string' } },
});
for (const [name, value] of Object.entries(values)) {
  if (/^[1-9]\d{0,8}$/.test(value)) continue;
  process.stderr.write(`fuzz: --${name} must be a whole number from 1 to 999999999\n`);
  process.exit(2);
}
const test = fileURLToPath(new URL('../../cli/bin/test.mjs', import.meta.url));
const fuzz = spawn(process.execPath, [test, '--config', 'jest.slow.config.mjs', 'fuzz.slow'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    SEKALI_FUZZ_INPUTS: values.inputs,
    ...(values.seed !== undefined && { SEKALI_FUZZ_SEED: values.seed }),
  },
});
// The child receives Ctrl-C as well, and decides when to end.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => fuzz.kill('SIGTERM'));
const [code] = await once(fuzz, 'exit');
process.exitCode = code ?? 1;
