import { Controller, Get, Inject } from '@nestjs/common';
import { problem, ProblemError } from '../problems/problem-error.js';
import { ReadinessCheck } from './readiness.js';

/** `GET /health`, `/health/live`, `/health/ready`. */
@Controller('health')
export class HealthController {
  constructor(@Inject(ReadinessCheck) private readonly readiness: ReadinessCheck) {}

  /** A summary for people: always 200 while the process answers; `status` says how it goes. */
  @Get()
  async summary(): Promise<object> {
    const { ready, components } = await this.readiness.check();
    return { status: ready ? 'ok' : 'degraded', uptime_seconds: Math.floor(process.uptime()), components };
  }

  /** The process answers. A failing dependency is no reason to start it anew. */
  @Get('live')
  live(): object {
    return { status: 'ok' };
  }

  /** Whether requests should be sent here: 200, or a 503 problem that names the parts that fail. */
  @Get('ready')
  async ready(): Promise<object> {
    const { ready, components } = await this.readiness.check();
    if (ready) return { status: 'ok', components };
    const failed = Object.entries(components).flatMap(([name, part]) => (part.status === 'ok' ? [] : [name]));
    const detail = failed.length === 0 ? 'It is stopping.' : `Failed: ${failed.join(', ')}.`;
    throw new ProblemError(problem('not-ready', 503, detail, { components }), { 'retry-after': '2' });
  }
}
