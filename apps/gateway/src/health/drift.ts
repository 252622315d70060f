/**
 * What is wrong with an existing stream or consumer: changed by hand, or standing still.
 *
 * A difference that endangers acknowledged events makes the gateway not ready, because it must not acknowledge more.
 * Any other difference is only reported, and so is a consumer that stands still. Its events are safe in the stream, and
 * refusing them would not help. Only setup knows sizes and bounds, and compares them.
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

/** The differences of a stream from the shape of all our streams. */
export function streamState(
  info: Pick<StreamInfo, 'config' | 'state'>,
  subjectPrefix: string,
  showValues: boolean,
): ComponentState {
  return stateOf(streamDifferences(info, streamShape(subjectPrefix)), showValues);
}

/** The differences of a consumer from the shape of all our consumers. */
export function consumerState(
  info: Pick<ConsumerInfo, 'config' | 'paused' | 'delivered' | 'ack_floor'>,
  showValues: boolean,
): ComponentState {
  return stateOf(consumerDifferences(info, CONSUMER_SHAPE), showValues);
}

function stateOf(differences: readonly Difference[], showValues: boolean): ComponentState {
  if (differences.length === 0) return { status: 'ok' };
  // Every client may ask for it, and a value may name a topic.
  const text = showValues ? differencesText(differences) : differences.map(({ field }) => field).join(', ');
  const status = differences.some(({ isDangerous }) => isDangerous) ? 'failed' : 'degraded';
  return { status, detail: `it differs from its definition: ${text}; run setup` };
}

/** Notices that nothing is settled although messages wait. It compares each state with the previous one. */
export class ConsumerProgress {
  private seen = '';
  private sinceMs = 0;

  /** @returns what is wrong, or `undefined`. Any time may pass between two calls */
  stateOf(
    info: Pick<ConsumerInfo, 'delivered' | 'ack_floor' | 'num_ack_pending' | 'num_pending'>,
    nowMs = performance.now(),
  ): ComponentState | undefined {
    const { ack_floor: floor, delivered, num_ack_pending: unsettled, num_pending: undelivered } = info;
    // Messages that reached a limit of deliveries are neither delivered nor pending, but the floor stays below them.
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
      : `nothing was settled for ${seconds} s, and ${unsettled + undelivered} messages wait: check the logs of the workers`;
    return { status: 'degraded', detail };
  }
}
