/** Unreadable messages cost the rest of their batch nothing: they are recorded in a separate transaction. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Decoder } from './delivery.js';
import { HandlerFixture } from './test/handler-fixture.js';

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
});

afterEach(async () => {
  await fixture.dispose();
});

const OWN_EXCLUSIVE_LOCKS = `
SELECT count(*)::int AS count FROM pg_locks
WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND pid = pg_backend_pid()`;

describe('a batch with unreadable messages', () => {
  it('excludes no other batch while the handler is called for the rest', async () => {
    const decode: Decoder<string> = (delivery) => {
      const read = fixture.decode(delivery);
      if (!read.ok || !read.message.eventId.startsWith('junk')) return read;
      return { ok: false, poison: { delivery, topic: 'orders', reason: 'not_json', detail: 'junk' } };
    };
    const sizes: number[] = [];
    const locks: number[] = [];
    await fixture.send('a', 'junk-1', 'b', 'junk-2', 'c');
    await fixture.start(
      async (fresh, transaction) => {
        const { rows } = await transaction.query<{ count: number }>(OWN_EXCLUSIVE_LOCKS);
        sizes.push(fresh.length);
        locks.push(rows[0]?.count ?? -1);
        const ids = fresh.map(({ eventId }) => eventId);
        await transaction.query('INSERT INTO public.kept SELECT unnest($1::text[])', [ids]);
      },
      { decode },
    );
    const letters = await fixture.settled(3, 2);
    expect(letters).toMatchObject([{ reason: 'not_json' }, { reason: 'not_json' }]);
    await fixture.nothingUnsettled();
    expect({ sizes, locks }).toEqual({ sizes: [3], locks: [0] });
  });
});
