import { Module, type DynamicModule } from '@nestjs/common';
import { CloudEventsController } from './cloudevents/cloudevents.controller.js';
import { DeadLetterReader } from './dead-letters/dead-letter-reader.js';
import { DeadLettersController } from './dead-letters/dead-letters.controller.js';
import { Drops } from './dead-letters/drops.js';
import { Replays } from './dead-letters/replays.js';
import { BulkController } from './elasticsearch/bulk.controller.js';
import { BulkPublishing } from './elasticsearch/bulk-publishing.js';
import { ClusterController } from './elasticsearch/cluster.controller.js';
import { DescriptionController } from './description/description.controller.js';
import { Descriptions } from './description/descriptions.js';
import { EventReader } from './events/event-reader.js';
import { EventsController } from './events/events.controller.js';
import { EventExport } from './export/event-export.js';
import { ExportController } from './export/export.controller.js';
import { EventFacets } from './facets/event-facets.js';
import { FacetsController } from './facets/facets.controller.js';
import { HealthController } from './health/health.controller.js';
import { ReadinessCheck } from './health/readiness.js';
import { HistogramController } from './histogram/histogram.controller.js';
import { Histograms } from './histogram/histograms.js';
import { JournalController } from './journal/journal.controller.js';
import { LiveController } from './live/live.controller.js';
import { LiveEvents } from './live/live-events.js';
import { LokiController } from './loki/loki.controller.js';
import { LogPublishing } from './otlp/log-publishing.js';
import { OtlpController } from './otlp/otlp.controller.js';
import { LinePublishing } from './publish/line-publishing.js';
import { PageAnswer } from './page/page-answer.js';
import { PageController } from './page/page.controller.js';
import { PublishController } from './publish/publish.controller.js';
import { Publishing } from './publish/publishing.js';
import { SettledAnswer } from './publish/settled-answer.js';
import { AgeWatch } from './stats/age-watch.js';
import { Statistics } from './stats/statistics.js';
import { StatsController } from './stats/stats.controller.js';
import { StoryReader } from './story/story-reader.js';
import { SystemState } from './system/system-state.js';
import { SystemController } from './system/system.controller.js';
import { WebhookDoor } from './webhooks/webhook-door.js';
import { WebhooksController } from './webhooks/webhooks.controller.js';

/** The parts that the routes use. */
export interface GatewayParts {
  readonly publishing: Publishing;
  readonly lines: LinePublishing;
  readonly bulk: Pick<BulkPublishing, 'publish'>;
  readonly webhooks: WebhookDoor;
  readonly settled: SettledAnswer;
  readonly logs: LogPublishing;
  readonly events: EventReader;
  readonly live: LiveEvents;
  readonly exports: EventExport;
  readonly stories: StoryReader;
  readonly deadLetters: DeadLetterReader;
  readonly replays: Replays;
  readonly drops: Drops;
  readonly statistics: Statistics;
  readonly histograms: Histograms;
  readonly facets: EventFacets;
  readonly ageWatch: AgeWatch;
  readonly readiness: ReadinessCheck;
  readonly system: SystemState;
  readonly descriptions: Descriptions;
  readonly page: PageAnswer;
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
        BulkController,
        ClusterController,
        WebhooksController,
        JournalController,
        LokiController,
        OtlpController,
        LiveController,
        ExportController,
        EventsController,
        DeadLettersController,
        StatsController,
        HistogramController,
        FacetsController,
        HealthController,
        SystemController,
        DescriptionController,
        PageController,
      ],
      providers: [
        { provide: Publishing, useValue: parts.publishing },
        { provide: LinePublishing, useValue: parts.lines },
        { provide: BulkPublishing, useValue: parts.bulk },
        { provide: WebhookDoor, useValue: parts.webhooks },
        { provide: SettledAnswer, useValue: parts.settled },
        { provide: LogPublishing, useValue: parts.logs },
        { provide: EventReader, useValue: parts.events },
        { provide: LiveEvents, useValue: parts.live },
        { provide: EventExport, useValue: parts.exports },
        { provide: StoryReader, useValue: parts.stories },
        { provide: DeadLetterReader, useValue: parts.deadLetters },
        { provide: Replays, useValue: parts.replays },
        { provide: Drops, useValue: parts.drops },
        { provide: Statistics, useValue: parts.statistics },
        { provide: Histograms, useValue: parts.histograms },
        { provide: EventFacets, useValue: parts.facets },
        { provide: AgeWatch, useValue: parts.ageWatch },
        { provide: ReadinessCheck, useValue: parts.readiness },
        { provide: SystemState, useValue: parts.system },
        { provide: Descriptions, useValue: parts.descriptions },
        { provide: PageAnswer, useValue: parts.page },
      ],
    };
  }
}
