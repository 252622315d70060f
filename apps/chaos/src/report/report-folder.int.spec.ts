import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReportFolder, ReportFolderError } from './report-folder.js';
import { runReport, sampleAt } from './run-report-fixture.js';

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'sekali-report-'));
});
afterEach(async () => {
  await rm(parent, { recursive: true });
});

it('a report folder has the samples as they come, and at the end the verdict, the summary and the page', async () => {
  const folder = await ReportFolder.create(join(parent, 'chaos', 'run-1'));
  await folder.appendSample(sampleAt(0));
  await folder.appendSample(sampleAt(500));
  await folder.write(runReport());
  const names = await readdir(folder.path);
  expect(names.sort()).toEqual(['report.html', 'samples.jsonl', 'summary.txt', 'verdict.json']);
  const text = (name: string): Promise<string> => readFile(folder.file(name), 'utf8');
  const samples = (await text('samples.jsonl')).trimEnd().split('\n');
  expect(samples.map((line) => JSON.parse(line) as unknown)).toEqual([sampleAt(0), sampleAt(500)]);
  expect(JSON.parse(await text('verdict.json'))).toMatchObject({ valid: true });
  expect(await text('summary.txt')).toMatch(/^VALID/);
  // The chart library is in the page.
  expect(await text('report.html')).toContain('var uPlot=');
});

it('a report folder may exist if it is empty', async () => {
  expect((await ReportFolder.create(parent)).path).toBe(parent);
});

it('a report folder that is not empty is refused', async () => {
  await writeFile(join(parent, 'verdict.json'), '{}');
  await expect(ReportFolder.create(parent)).rejects.toThrow(ReportFolderError);
  await expect(ReportFolder.create(parent)).rejects.toThrow(/is not empty; name a new folder/);
});

it('a report folder is refused at a path at which there can be none', async () => {
  await writeFile(join(parent, 'file'), '');
  await expect(ReportFolder.create(join(parent, 'file', 'run'))).rejects.toThrow(ReportFolderError);
});
