/** All doors of the gateway, in the order of the page. */
import { CLOUD_EVENTS_DOOR } from '../cloudevents/cloudevents-description.js';
import { DEAD_LETTERS_DOOR } from '../dead-letters/dead-letters-description.js';
import { ELASTICSEARCH_DOOR } from '../elasticsearch/elasticsearch-description.js';
import { EVENTS_DOOR } from '../events/events-description.js';
import { EXPORT_DOOR } from '../export/export-description.js';
import { FACETS_DOOR } from '../facets/facets-description.js';
import { HEALTH_DOOR } from '../health/health-description.js';
import { HISTOGRAM_DOOR } from '../histogram/histogram-description.js';
import { JOURNAL_DOOR } from '../journal/journal-description.js';
import { LIVE_DOOR } from '../live/live-description.js';
import { LOKI_DOOR } from '../loki/loki-description.js';
import { OTLP_DOOR } from '../otlp/otlp-description.js';
import { PAGE_DOOR } from '../page/page-description.js';
import { PUBLISH_DOOR } from '../publish/publish-description.js';
import { STATS_DOOR } from '../stats/stats-description.js';
import { STORY_DOOR } from '../story/story-description.js';
import { SYSTEM_DOOR } from '../system/system-description.js';
import { WEBHOOKS_DOOR } from '../webhooks/webhooks-description.js';
import { DESCRIPTION_DOOR } from './description-door.js';
import type { DoorDescription } from './operation.js';

/**
 * A new door has its `DoorDescription` next to it, and is entered here. A route that none of them describes fails a
 * test, and so does an answer that is not as described.
 */
export const DOORS: readonly DoorDescription[] = [
  PUBLISH_DOOR,
  CLOUD_EVENTS_DOOR,
  WEBHOOKS_DOOR,
  ELASTICSEARCH_DOOR,
  JOURNAL_DOOR,
  LOKI_DOOR,
  OTLP_DOOR,
  EVENTS_DOOR,
  LIVE_DOOR,
  EXPORT_DOOR,
  STORY_DOOR,
  STATS_DOOR,
  HISTOGRAM_DOOR,
  FACETS_DOOR,
  DEAD_LETTERS_DOOR,
  HEALTH_DOOR,
  SYSTEM_DOOR,
  PAGE_DOOR,
  DESCRIPTION_DOOR,
];
