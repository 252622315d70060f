/** All doors of the gateway, in the order of the page. */
import { CLOUD_EVENTS_DOOR } from '../cloudevents/cloudevents-description.js';
import { DEAD_LETTERS_DOOR } from '../dead-letters/dead-letters-description.js';
import { EVENTS_DOOR } from '../events/events-description.js';
import { HEALTH_DOOR } from '../health/health-description.js';
import { PUBLISH_DOOR } from '../publish/publish-description.js';
import { STATS_DOOR } from '../stats/stats-description.js';
import { STORY_DOOR } from '../story/story-description.js';
import { DESCRIPTION_DOOR } from './description-door.js';
import type { DoorDescription } from './operation.js';

/** A route that none of them describes fails a test. */
export const DOORS: readonly DoorDescription[] = [
  PUBLISH_DOOR,
  CLOUD_EVENTS_DOOR,
  EVENTS_DOOR,
  STORY_DOOR,
  STATS_DOOR,
  DEAD_LETTERS_DOOR,
  HEALTH_DOOR,
  DESCRIPTION_DOOR,
];
