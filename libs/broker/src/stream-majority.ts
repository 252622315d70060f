/**
 * Whether the broker that answers as the leader of a stream can be believed.
 *
 * A leader that was cut off goes on to answer for up to ten seconds, with the state that it had. Every leader hears of the
 * others once a second, so one that has not heard of a majority for a while may have been replaced.
 */
import type { StreamInfo } from '@nats-io/jetstream';

/** At most 0.65 s were seen on an idle machine. */
const HEARD_NS_MAX = 4_000_000_000;

/** Whether the leader has heard of enough others lately. One broker alone is its own majority. */
export function hasMajority({ cluster }: Pick<StreamInfo, 'cluster'>): boolean {
  const others = cluster?.replicas ?? [];
  const heard = others.filter(({ active, offline }) => !offline && active <= HEARD_NS_MAX);
  return heard.length + 1 > (others.length + 1) / 2;
}
