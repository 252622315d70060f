/** Generations of keys change far more often than their size requires, so repeats find their first in a closed one. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Target } from '../../system/target.js';
import type { Fault } from '../fault.js';

const PAUSE_MS = 700;

/** A change names the generation that it closes, and does nothing while that has no key. */
const CHANGE = `
SELECT sekali.change_key_generation($1, (
  SELECT count(*) FROM pg_class
  WHERE relnamespace = 'sekali'::regnamespace AND relkind = 'r' AND relname ~ ('^' || $2 || '_g[0-9]+$')
)::integer) AS number`;

/** Closes the youngest generation of each consumer. During an outage, or while the table is busy, the next try does it. */
async function change(target: Target): Promise<void> {
  for (const consumer of target.consumers) {
    const keys = consumer === 'store' ? 'event_key' : `${consumer}_key`;
    await target.sql(CHANGE, [consumer, keys]).catch(() => undefined);
  }
}

/** The keys begin another generation, again and again. Every change waits for the batches that are under way. */
export const changeKeyGeneration: Fault = {
  name: 'change-key-generation',
  what: 'the table that takes new ids is closed and another one begun, again and again',
  touches: ['keys'],
  holdMs: [4_000, 9_000],
  applies: () => true,
  start(target) {
    const over = new AbortController();
    const changing = (async (): Promise<void> => {
      while (!over.signal.aborted) {
        await change(target);
        await pause(PAUSE_MS);
      }
    })();
    return Promise.resolve({
      detail: `of ${target.consumers.join(' and ')}`,
      heal: async () => {
        over.abort();
        await changing;
      },
    });
  },
};
