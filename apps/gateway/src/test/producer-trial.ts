/** A system for the programs of PRODUCERS.md, which are taken from the page and run as they stand there. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect } from '@jest/globals';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { eventText } from '#contracts';
import { findRepositoryRoot } from '#local-cluster';
import { codeBlocks, createTestSystem, startApp, type TestSystem, untilSettled } from '#testing';

const EVENTS = 20_000;
const SETTLED_MS_MAX = 120_000;
const STREAM_BYTES_MAX = 268_435_456;
/** Longer than both runs of a program take, however busy the machine is. */
const WINDOW_MS = 3_600_000;
const PAGE = 'apps/gateway/PRODUCERS.md';

/** How to run a program. */
export interface Run {
  readonly command: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** What was stored of a topic. */
export interface Figures {
  readonly stored: number;
  /** Different event ids among the stored events. */
  readonly ids: number;
  readonly duplicates: number;
  readonly conflicts: number;
  /** Of every topic. */
  readonly dead_letters: number;
}

/** The figures when each event is stored once. With message ids, no repeat reaches the workers. */
export function storedOnce(hasMessageIds: boolean): Figures {
  const duplicates = hasMessageIds ? 0 : EVENTS;
  return { stored: EVENTS, ids: EVENTS, duplicates, conflicts: 0, dead_letters: 0 };
}

/** The page's text. */
export function producersPage(): string {
  return readFileSync(join(findRepositoryRoot(), PAGE), 'utf8');
}

/** A stream, workers that store what is in it, and the programs that publish to it. */
export class ProducerTrial {
  private constructor(
    private readonly system: TestSystem,
    private readonly manager: JetStreamManager,
  ) {}

  static async start(): Promise<ProducerTrial> {
    const system = await createTestSystem({ streamBytesMax: STREAM_BYTES_MAX, duplicateWindowMs: WINDOW_MS });
    await startApp('worker', system.environment);
    return new ProducerTrial(system, await jetstreamManager(system.connection, { checkAPI: false }));
  }

  /**
   * The program of a language, for the subjects of this system.
   *
   * @param messageId what sets the message id in it; it is taken out for a producer without them
   */
  program(language: string, messageId?: RegExp): string {
    const [block] = codeBlocks({ path: PAGE, text: producersPage() }).filter(
      (one) => one.language === language,
    );
    const text = block?.text.replaceAll('events.', `${this.system.subjectPrefix}.`) ?? '';
    if (messageId === undefined) return text;
    expect(text).toMatch(messageId);
    return text.replace(messageId, '');
  }

  /** Sends 20,000 events of a topic twice, and returns what was stored of them. */
  async sendTwice(topic: string, run: Run): Promise<Figures> {
    const lines = Array.from({ length: EVENTS }, (_, n) => lineOf(topic, n));
    for (let round = 0; round < 2; round++) await this.execute(run, lines);
    await untilSettled(this.manager, this.system.streamName, this.system.consumerName, SETTLED_MS_MAX);
    const { rows } = await this.system.pool.query<Figures & Record<string, unknown>>(
      `SELECT
         (SELECT count(*)::integer FROM sekali.event WHERE topic = $1) AS stored,
         (SELECT count(DISTINCT event_id)::integer FROM sekali.event WHERE topic = $1) AS ids,
         (SELECT count(*)::integer FROM sekali.duplicate WHERE topic = $1) AS duplicates,
         (SELECT count(*)::integer FROM sekali.duplicate WHERE topic = $1 AND conflict) AS conflicts,
         (SELECT count(*)::integer FROM sekali.dead_letter) AS dead_letters`,
      [topic],
    );
    if (rows[0] === undefined) throw new Error('the database returned no figures');
    return rows[0];
  }

  private async execute(
    { command, args, folder, environment }: Run,
    lines: readonly string[],
  ): Promise<void> {
    const child = spawn(command, [...args], {
      cwd: folder,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: process.env['HOME'] ?? folder,
        ...environment,
        NATS_URL: this.system.natsUrls[0],
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    // A program that fails reads no more; how it ended says why.
    await pipeline(Readable.from([lines.join('\n')]), child.stdin).catch(() => undefined);
    expect([await ended, output]).toEqual([0, '']);
  }
}

function lineOf(topic: string, n: number): string {
  const payload = `{"number":${n},"exact":12345678901234567890.${n}}`;
  const timestamp = '2026-11-22T10:00:00.000001Z';
  return eventText({ topic, eventId: `id-${n}`, timestamp, source: 'plain', payload });
}
