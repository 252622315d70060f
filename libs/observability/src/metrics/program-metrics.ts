import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Gauge, Registry } from 'prom-client';
import { measureProcess } from './process-metrics.js';

/**
 * The metrics of one program: its registry, with what every program measures about itself.
 *
 * Names follow the conventions of Prometheus: the prefix `sekali_`, base units, `_total` for what only grows, and labels
 * whose values are bounded. `process_…` and `nodejs_…` are the names that every Node program uses.
 */
export class ProgramMetrics {
  readonly registry = new Registry();
  private readonly readers: (() => Promise<void> | void)[] = [];
  private reading: Promise<string> | undefined;

  /** @param program its name, such as `worker` */
  constructor(program: string) {
    this.beforeScrape(measureProcess(this.registry));
    new Gauge({
      name: 'sekali_build_info',
      help: 'The program, its version and that of Node; the value is always 1',
      labelNames: ['program', 'version', 'node'],
      registers: [this.registry],
    }).set({ program, version: versionOfSekali(), node: process.version }, 1);
  }

  /** Calls a function before each scrape, so that it sets gauges. It must not throw. */
  beforeScrape(read: () => Promise<void> | void): void {
    this.readers.push(read);
  }

  /** Returns everything in the text format of Prometheus. Simultaneous scrapes share one reading. */
  async text(): Promise<string> {
    this.reading ??= this.read().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async read(): Promise<string> {
    await Promise.all(this.readers.map(async (read) => read()));
    return this.registry.metrics();
  }
}

/** The version in the package.json of this repository or image, searched upwards from this file. */
function versionOfSekali(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, 'package.json');
    const manifest = existsSync(path)
      ? (JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string })
      : undefined;
    if (manifest?.name === 'sekali') return manifest.version ?? 'unknown';
    if (folder === dirname(folder)) return 'unknown';
  }
}
