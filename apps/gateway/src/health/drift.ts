/**
 * What is wrong with a stream or a consumer that exists: changed by hand, or standing still.
 *
 * A difference that endangers acknowledged events makes the gateway not ready: it must not acknowledge more. Any other is
 * said and no more, and so is a consumer that stands still: events are safe in the stream, and refusing them would help
 * nobody. Sizes and bounds are known to setup alone, and are compared there.
 */
import {
  CONSUMER_SHAPE,
  consumerDifferences,
  type ConsumerInfo,
  type Difference,
  differencesText,
  streamDifferences,
  type StreamInfo,
  streamShape,
} from '#broker';
import type { ComponentState } from './component-state.js';

const STILL_SECONDS_MAX = 15;

/** What of a stream differs from what every stream of ours is like. */
export function streamState(
  info: Pick<StreamInfo, 'config' | 'state'>,
  subjectPrefix: string,
  showValues: boolean,
): ComponentState {
  return stateOf(streamDifferences(info, streamShape(subjectPrefix)), showValues);
}

/** What of a consumer differs from what every consumer of ours is like. */
export function consumerState(
  info: Pick<ConsumerInfo, 'config' | 'paused' | 'delivered' | 'ack_floor'>,
  showValues: boolean,
): ComponentState {
  return stateOf(consumerDifferences(info, CONSUMER_SHAPE), showValues);
}

function stateOf(differences: readonly Difference[], showValues: boolean): ComponentState {
  if (differences.length === 0) return { status: 'ok' };
  // Anyone may ask for it, and a value may name a topic.
  const text = showValues ? differencesText(differences) : differences.map(({ field }) => field).join(', ');
  const status = differences.some(({ isDangerous }) => isDangerous) ? 'failed' : 'degraded';
  return { status, detail: `it differs from its definition: ${text}; run setup` };
}

/** Notices that nothing is settled although something waits. It compares what it is shown with what it was shown before. */
export class ConsumerProgress {
  private seen = '';
  private sinceMs = 0;

  /** @returns what is wrong, or `undefined`. Between two calls there may be any time */
  stateOf(
    info: Pick<ConsumerInfo, 'delivered' | 'ack_floor' | 'num_ack_pending' | 'num_pending'>,
    nowMs = performance.now(),
  ): ComponentState | undefined {
    const { ack_floor: floor, delivered, num_ack_pending: unsettled, num_pending: undelivered } = info;
    // Messages that met a limit of deliveries are neither delivered nor pending, but the floor stays below them.
    const isStranded = unsettled + undelivered === 0 && floor.stream_seq < delivered.stream_seq;
    const isWaiting = unsettled + undelivered > 0 || isStranded;
    const seen = `${floor.stream_seq} ${String(floor.last_active)}`;
    if (!isWaiting || seen !== this.seen) {
      this.seen = isWaiting ? seen : '';
      this.sinceMs = nowMs;
      return undefined;
    }
    const seconds = Math.floor((nowMs - this.sinceMs) / 1_000);
    if (seconds < STILL_SECONDS_MAX) return undefined;
    const detail = isStranded
      ? 'messages were delivered, not settled, and are not delivered again: run `sekali rewind`, then setup'
      : `nothing was settled for ${seconds} s, and ${unsettled + undelivered} messages wait: see what the workers log`;
    return { status: 'degraded', detail };
  }
}
