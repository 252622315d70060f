/** Events whose order shows, for tests of consumers that keep the order of keys. */
import type { Decoder } from '../delivery.js';

/** The event `n` of a key. */
export interface Numbered {
  readonly key: string;
  readonly n: number;
}

/** The name of the consumer. */
export const ORDERED = 'ordered';

export const CREATE_HISTORY =
  'CREATE TABLE public.history (key text PRIMARY KEY, numbers integer[] NOT NULL)';

/** The rows of a key are appended under its lock, so they show in which order transactions were committed. */
export const APPEND = `
INSERT INTO public.history VALUES ($1, ARRAY[$2::integer])
ON CONFLICT (key) DO UPDATE SET numbers = history.numbers || excluded.numbers`;

/** The body has everything, so that a message may come twice in the stream. */
export const decodeNumbered: Decoder<Numbered> = (delivery) => {
  const event = JSON.parse(Buffer.from(delivery.data).toString()) as Numbered;
  return {
    ok: true,
    message: { delivery, topic: 'numbered', eventId: `${event.key}:${event.n}`, digest: 1n, event },
  };
};
