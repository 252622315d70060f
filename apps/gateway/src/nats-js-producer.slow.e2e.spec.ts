/** The program of PRODUCERS.md in JavaScript, on the plain client of its package. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ProducerTrial, storedOnce } from './test/producer-trial.js';

const RUN_MS_MAX = 300_000;
let trial: ProducerTrial;
const folder = mkdtempSync(join(tmpdir(), 'sekali-producer-'));

beforeAll(async () => {
  trial = await ProducerTrial.start();
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

it.each([
  ['with', undefined],
  ['without', / msgID: .* (?=\})/],
] as const)(
  'has 20,000 events stored once that it sends twice %s message ids',
  async (name, messageId) => {
    const program = trial.program('js', messageId).replace("'nats'", () => `'${clientUrl()}'`);
    writeFileSync(join(folder, `${name}.mjs`), program);
    const run = { command: process.execPath, args: [`${name}.mjs`], folder };
    expect(await trial.sendTwice(`js.${name}`, run)).toEqual(storedOnce(name === 'with'));
  },
  RUN_MS_MAX,
);

function clientUrl(): string {
  return import.meta.resolve('nats');
}
