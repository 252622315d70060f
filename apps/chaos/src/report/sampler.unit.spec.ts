import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Sampler, type SamplerOptions, type SampleSources } from './sampler.js';
import type { Sample } from './timeline.js';

let recorded: Sample[];
let sampler: Sampler | undefined;

beforeEach(() => {
  recorded = [];
});
afterEach(async () => {
  await sampler?.stop().catch(() => undefined);
});

function startSampler(
  sources: Partial<SampleSources> = {},
  options: Partial<SamplerOptions> = {},
): { sampler: Sampler; taken: (count: number) => Promise<void> } {
  let wake = (): void => undefined;
  const record = (sample: Sample): Promise<void> => {
    recorded.push(sample);
    wake();
    return Promise.resolve();
  };
  const started = new Sampler({
    sources: {
      sent: () => 30,
      acknowledged: () => 20,
      settled: () => Promise.resolve(10),
      lag: () => 5,
      ...sources,
    },
    nowMs: () => 1_234.4,
    record,
    everyMs: 5,
    answerMsMax: 20,
    ...options,
  });
  sampler = started;
  started.start();
  const taken = async (count: number): Promise<void> => {
    while (recorded.length < count) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { sampler: started, taken };
}

describe('the sampler of a chaos run', () => {
  it('keeps and records its samples', async () => {
    const { sampler, taken } = startSampler();
    await taken(3);
    const samples = await sampler.stop();
    expect(samples[0]).toEqual({
      atMs: 1_234,
      askedAtMs: 1_234,
      sent: 30,
      acknowledged: 20,
      settled: 10,
      lag: 5,
      judgeBytes: expect.any(Number),
    });
    expect(recorded).toEqual(samples);
    expect(sampler.samples).toEqual(samples);
  });

  it('notes when the store was asked as well as when all had answered', async () => {
    let now = 100;
    const settled = (): Promise<number> => {
      now += 700;
      return Promise.resolve(10);
    };
    const { taken } = startSampler({ settled }, { nowMs: () => now });
    await taken(1);
    expect(recorded[0]).toMatchObject({ askedAtMs: 100, atMs: 800, settled: 10 });
  });

  it('takes one last sample when it is stopped, and none after that', async () => {
    const { sampler, taken } = startSampler({}, { everyMs: 60_000 });
    await taken(1);
    await sampler.stop();
    expect(await sampler.stop()).toHaveLength(2);
  });

  it('gives null when a source throws, and asks again', async () => {
    const settled = jest.fn<() => Promise<number>>().mockResolvedValue(7);
    settled.mockRejectedValueOnce(new Error('no Postgres'));
    const lag = jest.fn<() => number>().mockReturnValue(3);
    lag.mockImplementationOnce(() => {
      throw new Error('no broker');
    });
    const { taken } = startSampler({ settled, lag });
    await taken(2);
    expect(recorded.slice(0, 2)).toMatchObject([
      { settled: null, lag: null },
      { settled: 7, lag: 3 },
    ]);
  });

  it('gives null while a source hangs, and does not ask it a second time', async () => {
    let answer: (settled: number) => void = () => undefined;
    const settled = jest.fn<() => Promise<number>>().mockResolvedValue(9);
    settled.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
    const { taken } = startSampler({ settled });
    await taken(4);
    expect(settled).toHaveBeenCalledTimes(1);
    expect(recorded.map((sample) => sample.settled)).toEqual([null, null, null, null]);
    expect(recorded.every(({ lag }) => lag === 5)).toBe(true);
    answer(8);
    await taken(recorded.length + 2);
    expect(recorded.at(-1)?.settled).toBe(9);
  });

  it('never takes two readings at once', async () => {
    let [now, most] = [0, 0];
    const settled = async (): Promise<number> => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      return now--;
    };
    const { taken } = startSampler({ settled }, { everyMs: 0 });
    await taken(20);
    expect(most).toBe(1);
  });

  it('throws at the end when samples could not be recorded, and has them even so', async () => {
    const record = jest.fn<(sample: Sample) => Promise<void>>().mockRejectedValue(new Error('disk full'));
    const { sampler } = startSampler({}, { record });
    await expect(sampler.stop()).rejects.toMatchObject({ cause: new Error('disk full') });
    expect(sampler.samples).toHaveLength(2);
  });
});
