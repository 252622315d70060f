/** The nemesis with faults on paper: the tests need no system to check that all of them are healed. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import type { Target } from '../system/target.js';
import type { Fault } from './fault.js';
import { Nemesis, type NemesisEvent } from './nemesis.js';

const EMPTY_TARGET = { processes: [], link: () => undefined } as unknown as Target;

describe('the nemesis', () => {
  let folder: string;
  let happened: string[];
  let startedAt: number;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nemesis-'));
    happened = [];
    startedAt = performance.now();
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function paper(name: string, changes: Partial<Fault> = {}, heal?: () => Promise<void>): Fault {
    return {
      name,
      what: name,
      touches: ['worker'],
      holdMs: [0, 0],
      applies: () => true,
      start: () => {
        happened.push(`${name} starts`);
        return Promise.resolve({
          detail: `of ${name}`,
          heal: async () => {
            await heal?.();
            happened.push(`${name} is healed`);
          },
        });
      },
      ...changes,
    };
  }

  function make(faults: readonly Fault[], onEvent?: (event: NemesisEvent) => void): Nemesis {
    const clock = (): number => performance.now() - startedAt;
    return new Nemesis({
      target: EMPTY_TARGET,
      faults,
      folder,
      clock,
      healMsMax: 100,
      ...(onEvent && { onEvent }),
    });
  }

  function plan(...entries: readonly [name: string, startAtMs: number, holdMs: number][]) {
    return entries.map(([name, startAtMs, holdMs]) => ({ name, startAtMs, holdMs, seed: 1 }));
  }

  const never = new AbortController().signal;

  it('starts and heals each fault in time, and records both', async () => {
    const nemesis = make([paper('one')]);
    const records = await nemesis.run(plan(['one', 20, 30]), never);
    expect(records).toEqual([expect.objectContaining({ name: 'one', detail: 'of one' })]);
    const [record] = records;
    expect(record?.startedAtMs).toBeGreaterThanOrEqual(19);
    expect((record?.healingAtMs ?? 0) - (record?.heldAtMs ?? 0)).toBeGreaterThanOrEqual(29);
    const lines = readFileSync(join(folder, 'faults.jsonl'), 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as NemesisEvent).type)).toEqual(['started', 'healed']);
  });

  it('lets a fault wait for one that touches the same part, and for no other', async () => {
    const faults = [paper('one'), paper('same'), paper('other', { touches: ['gateway'] })];
    await make(faults).run(plan(['one', 0, 60], ['other', 10, 100], ['same', 20, 0]), never);
    expect(happened).toEqual([
      'one starts',
      'other starts',
      'one is healed',
      'same starts',
      'same is healed',
      'other is healed',
    ]);
  });

  it('records a fault that cannot be applied, and goes on', async () => {
    const broken = paper('broken', { start: () => Promise.reject(new Error('there is no leader')) });
    const misplaced = paper('misplaced', { applies: () => false });
    const faults = [broken, misplaced, paper('one')];
    const records = await make(faults).run(plan(['broken', 0, 0], ['misplaced', 0, 0], ['one', 0, 0]), never);
    expect(records.map(({ name, problem }) => [name, problem])).toEqual([
      ['broken', 'there is no leader'],
      ['misplaced', 'the system does not have what this fault needs'],
      ['one', undefined],
    ]);
  });

  it('heals all faults at once when it is aborted, and starts no more', async () => {
    const aborted = new AbortController();
    const nemesis = make([paper('one'), paper('two', { touches: ['gateway'] })], ({ type }) => {
      if (type === 'started') aborted.abort();
    });
    const records = await nemesis.run(plan(['one', 0, 60_000], ['two', 50, 0]), aborted.signal);
    expect(records.map(({ name }) => name)).toEqual(['one']);
    expect(happened).toEqual(['one starts', 'one is healed']);
  });

  it('does not wait for a healing that never ends, and heals again at the end', async () => {
    let tries = 0;
    const heal = (): Promise<void> => {
      tries += 1;
      return tries === 1 ? new Promise(() => undefined) : Promise.resolve();
    };
    const nemesis = make([paper('stubborn', {}, heal)]);
    const [record] = await nemesis.run(plan(['stubborn', 0, 0]), never);
    expect(record?.problem).toMatch(/waited 0.1 s for stubborn to be healed/);
    expect(await nemesis.healAll()).toEqual([]);
    expect(happened).toEqual(['stubborn starts', 'stubborn is healed']);
  });

  it('heals a fault that takes hold after it was given up', async () => {
    let begin: (() => void) | undefined;
    const slow = paper('slow', {
      start: async () => {
        await new Promise<void>((resolve) => (begin = resolve));
        return { detail: '', heal: () => Promise.resolve(void happened.push('healed late')) };
      },
    });
    const clock = (): number => performance.now() - startedAt;
    const options = { target: EMPTY_TARGET, faults: [slow], folder, clock, startMsMax: 50 };
    const [record] = await new Nemesis(options).run(plan(['slow', 0, 0]), never);
    expect(record?.problem).toMatch(/to take hold/);
    begin?.();
    await waitFor(() => happened.includes('healed late'), { timeoutMs: 1_000, describe: 'the late healing' });
  });
});
