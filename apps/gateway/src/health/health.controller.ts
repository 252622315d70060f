import { Controller, Get, Inject } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { RouteAccess } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { AgeWatch } from '../stats/age-watch.js';
import { uptimeSeconds } from '../uptime.js';
import { ReadinessCheck } from './readiness.js';

/** A monitor of the process has no key, and must not be slowed down. */
const FOR_EVERYONE: RouteAccess & { readonly rateLimit: false } = { scope: 'none', rateLimit: false };

/** `GET /health`, `/health/live`, `/health/ready`. */
@Controller('health')
export class HealthController {
  constructor(
    @Inject(ReadinessCheck) private readonly readiness: ReadinessCheck,
    @Inject(AgeWatch) private readonly ageWatch: AgeWatch,
  ) {}

  /** A summary for people, which is 200 while the process answers. `status` is `ok` only when every part is. */
  @Get()
  @RouteConfig(FOR_EVERYONE)
  async summary(): Promise<object> {
    const { ready, components } = await this.readiness.check();
    const isWell = ready && Object.values(components).every(({ status }) => status === 'ok');
    return {
      status: isWell ? 'ok' : 'degraded',
      uptime_seconds: uptimeSeconds(),
      components,
      ...(this.ageWatch.warning && { unstored: this.ageWatch.warning }),
    };
  }

  /** The process answers. A failing dependency must not cause its restart. */
  @Get('live')
  @RouteConfig(FOR_EVERYONE)
  live(): object {
    return { status: 'ok' };
  }

  /** Whether requests should be sent here: 200, or a 503 problem that names the failing parts. */
  @Get('ready')
  @RouteConfig(FOR_EVERYONE)
  async ready(): Promise<object> {
    const { ready, components } = await this.readiness.check();
    if (ready) return { status: 'ok', components };
    const failed = Object.entries(components).flatMap(([name, part]) =>
      part.status === 'failed' ? [name] : [],
    );
    const detail = failed.length === 0 ? 'It is stopping.' : `Failed: ${failed.join(', ')}.`;
    throw new ProblemError(problem('not-ready', 503, detail, { components }), { 'retry-after': '2' });
  }
}
