import { expect, it } from '@jest/globals';
import { OutcomeWatch, type OutcomeQuery, type WatchBounds } from './outcome-watch.js';
import { waitSeconds } from './settled-answer.js';

const BOUNDS: WatchBounds = { eventsMax: 6, eventsPerClientMax: 4, askedAtOnceMax: 4, tickMs: 1 };
const LONG_MS = 60_000;
/** Many times the ticks that it takes. */
const ENOUGH_MS = 10_000;
const STORED = { outcome: 'stored' } as const;
const never = new AbortController().signal;

function events(count: number, from = 1): { topic: string; eventId: string; seq: number }[] {
  return Array.from({ length: count }, (_, n) => ({ topic: 't', eventId: `${from + n}`, seq: from + n }));
}

/** A query that decides on the sequences in a set, and notes what it was asked for. */
function queryOver(settled: ReadonlySet<number>): { find: OutcomeQuery; asked: number[][] } {
  const asked: number[][] = [];
  return {
    asked,
    find: (some) => {
      asked.push(some.map(({ seq }) => seq));
      return Promise.resolve(some.map(({ seq }) => (settled.has(seq) ? STORED : undefined)));
    },
  };
}

it('asks for the events of all clients in one query, of bounded size, until each is settled', async () => {
  const settled = new Set([1, 2, 3, 4]);
  const { find, asked } = queryOver(settled);
  const watch = new OutcomeWatch(find, never, BOUNDS);
  const one = watch.outcomes(events(2), 'a', LONG_MS, never);
  const other = watch.outcomes(events(4, 3), 'b', LONG_MS, never);
  expect(await one).toEqual([STORED, STORED]);
  for (const seq of [5, 6]) settled.add(seq);
  expect(await other).toEqual([STORED, STORED, STORED, STORED]);
  expect(asked[0]).toEqual([1, 2, 3, 4]);
  expect(asked[1]).toEqual([5, 6]);
});

it('lets no events that hang hold up others', async () => {
  const { find } = queryOver(new Set([5]));
  // All are due again at each tick, and one can be asked for.
  const watch = new OutcomeWatch(find, never, { ...BOUNDS, askedAtOnceMax: 1, tickMs: 100 });
  const gone = new AbortController();
  const hanging = watch.outcomes(events(4), 'a', LONG_MS, gone.signal);
  expect(await watch.outcomes(events(1, 5), 'b', ENOUGH_MS, never)).toEqual([STORED]);
  gone.abort();
  expect(await hanging).toEqual([undefined, undefined, undefined, undefined]);
});

it('refuses at once beyond its bounds, by client and in all, and has room again afterwards', async () => {
  const { find } = queryOver(new Set());
  const watch = new OutcomeWatch(find, never, BOUNDS);
  const gone = new AbortController();
  const first = watch.outcomes(events(4), 'a', LONG_MS, gone.signal);
  expect(await watch.outcomes(events(1), 'a', LONG_MS, never)).toBeUndefined();
  expect(await watch.outcomes(events(3), 'b', LONG_MS, never)).toBeUndefined();
  expect(await watch.outcomes(events(2), 'b', 1, never)).toEqual([undefined, undefined]);
  gone.abort();
  await first;
  expect(await watch.outcomes(events(4), 'b', 1, never)).toHaveLength(4);
});

it('goes on after queries that fail, and asks for nothing while no client waits', async () => {
  let failures = 2;
  let queries = 0;
  const { find } = queryOver(new Set([1]));
  const watch = new OutcomeWatch(
    async (some) => {
      queries += 1;
      if (failures-- > 0) throw new Error('no answer');
      return find(some);
    },
    never,
    BOUNDS,
  );
  expect(await watch.outcomes(events(1), 'a', LONG_MS, never)).toEqual([STORED]);
  expect(queries).toBe(3);
  expect(await watch.outcomes([], 'a', LONG_MS, never)).toEqual([]);
  expect(queries).toBe(3);
});

it('ends every wait when the gateway closes, and begins no other', async () => {
  const closing = new AbortController();
  const watch = new OutcomeWatch(queryOver(new Set()).find, closing.signal, BOUNDS);
  const waiting = watch.outcomes(events(1), 'a', LONG_MS, never);
  closing.abort();
  expect(await waiting).toEqual([undefined]);
  expect(await watch.outcomes(events(1), 'a', LONG_MS, never)).toBeUndefined();
});

it.each([
  [undefined, 0],
  ['handling=lenient', 0],
  ['wait=5', 5],
  ['handling=lenient, WAIT = "7"', 7],
  ['wait=3;x=1, wait=9', 3],
  ['wait=100', 30],
  ['wait=-1', 0],
  ['wait=5s', 0],
  ['await=5', 0],
])('reads the preference %p as %d seconds', (header, seconds) => {
  expect(waitSeconds(header)).toBe(seconds);
});
