import { Module, type DynamicModule } from '@nestjs/common';
import { CloudEventsController } from './cloudevents/cloudevents.controller.js';
import { DeadLetterReader } from './dead-letters/dead-letter-reader.js';
import { DeadLettersController } from './dead-letters/dead-letters.controller.js';
import { Drops } from './dead-letters/drops.js';
import { Replays } from './dead-letters/replays.js';
import { DescriptionController } from './description/description.controller.js';
import { Descriptions } from './description/descriptions.js';
import { EventReader } from './events/event-reader.js';
import { EventsController } from './events/events.controller.js';
import { HealthController } from './health/health.controller.js';
import { ReadinessCheck } from './health/readiness.js';
import { LinePublishing } from './publish/line-publishing.js';
import { PublishController } from './publish/publish.controller.js';
import { Publishing } from './publish/publishing.js';
import { AgeWatch } from './stats/age-watch.js';
import { Statistics } from './stats/statistics.js';
import { StatsController } from './stats/stats.controller.js';
import { StoryReader } from './story/story-reader.js';

/** The parts that the routes use. */
export interface GatewayParts {
  readonly publishing: Publishing;
  readonly lines: LinePublishing;
  readonly events: EventReader;
  readonly stories: StoryReader;
  readonly deadLetters: DeadLetterReader;
  readonly replays: Replays;
  readonly drops: Drops;
  readonly statistics: Statistics;
  readonly ageWatch: AgeWatch;
  readonly readiness: ReadinessCheck;
  readonly descriptions: Descriptions;
}

/** The routes of the gateway, over parts that are created outside the container. */
@Module({})
export class GatewayModule {
  static over(parts: GatewayParts): DynamicModule {
    return {
      module: GatewayModule,
      controllers: [
        PublishController,
        CloudEventsController,
        EventsController,
        DeadLettersController,
        StatsController,
        HealthController,
        DescriptionController,
      ],
      providers: [
        { provide: Publishing, useValue: parts.publishing },
        { provide: LinePublishing, useValue: parts.lines },
        { provide: EventReader, useValue: parts.events },
        { provide: StoryReader, useValue: parts.stories },
        { provide: DeadLetterReader, useValue: parts.deadLetters },
        { provide: Replays, useValue: parts.replays },
        { provide: Drops, useValue: parts.drops },
        { provide: Statistics, useValue: parts.statistics },
        { provide: AgeWatch, useValue: parts.ageWatch },
        { provide: ReadinessCheck, useValue: parts.readiness },
        { provide: Descriptions, useValue: parts.descriptions },
      ],
    };
  }
}
