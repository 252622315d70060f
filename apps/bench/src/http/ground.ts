/**
 * What a group stands on: the programs it starts, and the ways to look behind them. Closed, all of it ends.
 */
import type { Pool } from 'pg';
import { createPool } from '#postgres';
import type { Program } from '../stage/program.js';
import type { Stage } from '../stage/stage.js';
import { startGateway } from './program-run.js';
import { StreamGauge } from './stream-gauge.js';

const CONNECTIONS_MAX = 2;
const STATEMENT_MS_MAX = 60_000;

/** See the head of this file. */
export class Ground {
  private readonly programs: Program[] = [];

  private constructor(
    readonly stage: Stage,
    readonly gauge: StreamGauge,
    readonly pool: Pool,
  ) {}

  /** Empties the stream, hands out the ground, and closes it whatever happens on it. */
  static async whileOpen<T>(stage: Stage, work: (ground: Ground) => Promise<T>): Promise<T> {
    const gauge = await StreamGauge.open(stage);
    const pool = createPool({
      url: stage.postgresUrl,
      name: 'bench',
      connectionsMax: CONNECTIONS_MAX,
      transactionMsMax: STATEMENT_MS_MAX,
    });
    const ground = new Ground(stage, gauge, pool);
    try {
      // A worker of this group would otherwise begin with what another group left.
      await gauge.empty();
      return await work(ground);
    } finally {
      await ground.close();
    }
  }

  /** Starts a program and resolves when it is ready. @param script from `dist/apps` */
  async program(name: string, script: string): Promise<Program> {
    return this.keep(await this.stage.startProgram(name, script));
  }

  /** Starts a worker. */
  async worker(): Promise<Program> {
    return this.program('worker', 'worker/src/main.js');
  }

  /** Starts the gateway. Resolves when brokers and database answer it. */
  async gateway(): Promise<Program> {
    return this.keep(await startGateway(this.stage));
  }

  private async close(): Promise<void> {
    await Promise.all(this.programs.map((program) => program.stop()));
    await Promise.all([this.gauge.close(), this.pool.end()]);
  }

  private keep(program: Program): Program {
    this.programs.push(program);
    return program;
  }
}
