/**
 * Whether the broker that answers as the leader of a stream can be trusted.
 *
 * A leader that was cut off keeps answering for up to ten seconds, with an older state. Every leader hears from the
 * others once a second. So a leader that has not heard from a majority for a while may have been replaced.
 */
import type { StreamInfo } from '@nats-io/jetstream';

/** The longest silence on an idle machine was 0.65 s. */
const HEARD_NS_MAX = 4_000_000_000;

/** Whether the leader has recently heard from enough others. A single broker is its own majority. */
export function hasMajority({ cluster }: Pick<StreamInfo, 'cluster'>): boolean {
  const others = cluster?.replicas ?? [];
  const heard = others.filter(({ active, offline }) => !offline && active <= HEARD_NS_MAX);
  return heard.length + 1 > (others.length + 1) / 2;
}
