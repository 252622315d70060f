import { appendFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { reportPage, type ChartAssets } from './page.js';
import type { RunReport } from './run-report.js';
import { summaryText } from './summary.js';
import type { Sample } from './timeline.js';
import { verdictFile } from './verdict-file.js';

/** The folder cannot be the one of a new run. */
export class ReportFolderError extends Error {
  override readonly name = 'ReportFolderError';
}

/**
 * A folder that belongs to one run.
 *
 *   samples.jsonl   during the run, one line per sample
 *   verdict.json    ┐
 *   summary.txt     ├ at the end, each written under another name and then renamed, so that it is never partial
 *   report.html     ┘
 *
 * A folder that already has content is refused, so that no run is mistaken for another.
 */
export class ReportFolder {
  private constructor(readonly path: string) {}

  /**
   * Creates the folder and its parents.
   *
   * @throws ReportFolderError when it is not empty, or cannot be created
   */
  static async create(path: string): Promise<ReportFolder> {
    let entries: string[];
    try {
      await mkdir(path, { recursive: true });
      entries = await readdir(path);
    } catch (cause) {
      throw new ReportFolderError(`${path} cannot be made a report folder; name another`, { cause });
    }
    if (entries.length > 0)
      throw new ReportFolderError(`${path} is not empty; name a new folder for the report`);
    return new ReportFolder(path);
  }

  /** The path of a file of this name, whether it exists or not. */
  file(name: string): string {
    return join(this.path, name);
  }

  /** Adds a sample to `samples.jsonl`. */
  async appendSample(sample: Sample): Promise<void> {
    await appendFile(this.file('samples.jsonl'), `${JSON.stringify(sample)}\n`);
  }

  /** Writes the verdict, the summary and the page. */
  async write(report: RunReport): Promise<void> {
    await this.writeWhole('verdict.json', `${JSON.stringify(verdictFile(report), null, 2)}\n`);
    await this.writeWhole('summary.txt', `${summaryText(report, { colours: false })}\n`);
    await this.writeWhole('report.html', reportPage(report, await readChartAssets()));
  }

  private async writeWhole(name: string, text: string): Promise<void> {
    const unfinished = this.file(`.${name}.unfinished`);
    await writeFile(unfinished, text);
    await rename(unfinished, this.file(name));
  }
}

/** Reads the chart library for the page. */
export async function readChartAssets(): Promise<ChartAssets> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('uplot/package.json')), 'dist');
  const [script, style] = await Promise.all([
    readFile(join(folder, 'uPlot.iife.min.js'), 'utf8'),
    readFile(join(folder, 'uPlot.min.css'), 'utf8'),
  ]);
  return { script, style };
}
