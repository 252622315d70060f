import { Controller, Get, Inject } from '@nestjs/common';
import type { StatsView } from '#contracts';
import { Statistics } from './statistics.js';

/** `GET /stats`. */
@Controller('stats')
export class StatsController {
  constructor(@Inject(Statistics) private readonly statistics: Statistics) {}

  @Get()
  async read(): Promise<StatsView> {
    return this.statistics.read();
  }
}
