import type { Pool } from 'pg';
import { createPool } from '#postgres';
import type { Program } from '../environment/program.js';
import type { Environment } from '../environment/environment.js';
import { startGateway } from './program-run.js';
import { StreamGauge } from './stream-gauge.js';

const CONNECTIONS_MAX = 2;
const STATEMENT_MS_MAX = 60_000;

/**
 * What the rounds of an HTTP group share: the programs that it starts, and the ways to inspect their effect. Closing it
 * ends all of it.
 */
export class HttpFixture {
  private readonly programs: Program[] = [];

  private constructor(
    readonly environment: Environment,
    readonly gauge: StreamGauge,
    readonly pool: Pool,
  ) {}

  /** Empties the stream, passes the fixture to `work`, and closes it when `work` has returned or thrown. */
  static async whileOpen<T>(
    environment: Environment,
    work: (fixture: HttpFixture) => Promise<T>,
  ): Promise<T> {
    const gauge = await StreamGauge.open(environment);
    const pool = createPool({
      url: environment.postgresUrl,
      name: 'bench',
      connectionsMax: CONNECTIONS_MAX,
      transactionMsMax: STATEMENT_MS_MAX,
    });
    const fixture = new HttpFixture(environment, gauge, pool);
    try {
      // Otherwise a worker of this group would begin with what another group left.
      await gauge.empty();
      return await work(fixture);
    } finally {
      await fixture.close();
    }
  }

  /** Starts a program and resolves when it is ready. @param script from `dist/apps` */
  async program(name: string, script: string): Promise<Program> {
    return this.keep(await this.environment.startProgram(name, script));
  }

  /** Starts a worker. */
  async worker(): Promise<Program> {
    return this.program('worker', 'worker/src/main.js');
  }

  /** Starts a gateway. Resolves when the brokers and the database answer it. @param script of another one */
  async gateway(script?: string): Promise<Program> {
    return this.keep(await startGateway(this.environment, script));
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
