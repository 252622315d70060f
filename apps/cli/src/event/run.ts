/** Runs `sekali event`. */
import { arraySpans, objectSpans, type StoryView } from '#contracts';
import type { ExitCode } from '../command-error.js';
import { GatewayClient } from '../gateway-client.js';
import { print } from '../output.js';
import type { TargetOptions } from '../target.js';
import { storyReport, type ShownStory } from './report.js';

/** The options of `event`. */
export interface EventOptions extends TargetOptions {
  readonly limit: number;
  readonly json?: boolean;
}

const PAGE_MAX = 100;

/** Shows the story of one event. Throws `CommandError` (1) when nothing is known of it. */
export async function showStory(topic: string, eventId: string, options: EventOptions): Promise<ExitCode> {
  const query = new URLSearchParams({
    event_id: eventId,
    limit: String(Math.min(options.limit, PAGE_MAX)),
  });
  const path = `/events/${encodeURIComponent(topic)}/story?${query.toString()}`;
  const story = await readStory(new GatewayClient(options), path, options.limit);
  await print(options.json === true ? storyJson(story) : storyReport(story));
  return 0;
}

async function readStory(client: GatewayClient, first: string, limit: number): Promise<ShownStory> {
  const entries: string[] = [];
  for (let path = first; ;) {
    const { body, text, next } = await client.get<StoryView>(path);
    entries.push(...entriesIn(text));
    const { topic, event_id, state } = body;
    if (next === undefined || entries.length >= limit) {
      const isMore = next !== undefined || entries.length > limit;
      return { topic, event_id, state, entries: entries.slice(0, limit), isMore };
    }
    path = next;
  }
}

function entriesIn(text: string): string[] {
  const span = objectSpans(text).members.get('entries');
  const list = text.slice(span?.start, span?.end);
  return arraySpans(list).map(({ start, end }) => list.slice(start, end));
}

function storyJson({ entries, isMore, ...head }: ShownStory): string {
  const names = JSON.stringify({ ...head, is_more: isMore });
  return `${names.slice(0, -1)},"entries":[${entries.join(',')}]}`;
}
