/**
 * Starts the page: opens the view of the address, and draws it whenever something has changed.
 *
 *   address ─▶ view ─▶ readings ─▶ redraw ─▶ template
 *
 * Once a second everything is drawn again, because figures grow old without any event.
 */
import { render } from 'lit-html';
import type { StatsView } from '#contracts';
import { needsKey, type Failure } from './gateway-client.js';
import { placeOf, type Place, type ViewName } from './place.js';
import { Reading } from './reading.js';
import { shell, signIn, type Health } from './shell.js';
import './style.css';
import type { View } from './view.js';
import { DeadLettersView } from './views/dead-letters.js';
import { EventView } from './views/event.js';
import { ExploreView } from './views/explore.js';
import { NowView } from './views/now.js';
import { SystemView } from './views/system.js';
import { TopicsView } from './views/topics.js';

const HEALTH_MS = 3_000;
const STATS_MS = 2_000;
const DRAW_EVERY_MS = 1_000;

const root = document.querySelector<HTMLElement>('#page') ?? document.body;
// What stood there while the page was loaded.
root.replaceChildren();
let isDrawing = false;

function redraw(): void {
  if (isDrawing) return;
  isDrawing = true;
  // A hidden tab has no frames.
  setTimeout(() => {
    isDrawing = false;
    draw();
  });
}

const health = new Reading<Health>({ path: () => '/health', intervalMs: HEALTH_MS, onChange: redraw });
const stats = new Reading<StatsView>({ path: () => '/stats', intervalMs: STATS_MS, onChange: redraw });
const host = { redraw };
const views: Readonly<Record<ViewName, View>> = {
  now: new NowView(stats, host),
  explore: new ExploreView(host),
  event: new EventView(host),
  'dead-letters': new DeadLettersView(host),
  topics: new TopicsView(host),
  system: new SystemView(health, stats, host),
};

let place: Place = placeOf(location.hash);

function draw(): void {
  const view = views[place.view];
  const refused = refusal();
  render(
    shell(
      place.view,
      refused === undefined ? view.title : 'Sign in',
      health,
      refused === undefined ? view.template() : signIn(refused),
    ),
    root,
  );
  document.title = `${view.title} · Sekali`;
  if (refused === undefined) view.drawn?.();
}

/** The answer of a gateway that asks for a key, or refuses the one of this tab. */
function refusal(): Failure | undefined {
  return [stats.failure, views[place.view].failure].find(needsKey);
}

function follow(): void {
  const next = placeOf(location.hash);
  const isSame = next.view === place.view;
  if (!isSame) views[place.view].close();
  place = next;
  views[place.view].open(place.parameters);
  redraw();
  if (!isSame) {
    window.scrollTo(0, 0);
    setTimeout(() => document.querySelector<HTMLElement>('main h1')?.focus());
  }
}

window.addEventListener('hashchange', follow);
health.start();
views[place.view].open(place.parameters);
setInterval(redraw, DRAW_EVERY_MS);
draw();
