/**
 * The stream is full: its limit is lowered to its size, and publishers are refused from then on.
 *
 * It is healed as an operator would. What every consumer has settled is purged, then the limit is raised to its old
 * value. What one of them has not settled is never touched.
 */
import { brokerApi } from '../../system/broker-door.js';
import { until } from '../../system/deadline.js';
import type { Target } from '../../system/target.js';
import { FaultNotApplicable, type Fault } from '../fault.js';

/** Room for a few more messages, so that some of a batch are taken and some refused. */
const SLACK_BYTES = 16_384;
const HEAL_MS_MAX = 50_000;
const RETRY_MS = 500;

/** Fills the stream. */
export const fillStream: Fault = {
  name: 'fill-stream',
  what: 'the stream is full, and publishers are refused',
  touches: ['stream'],
  holdMs: [3_000, 8_000],
  applies: () => true,
  async start(target) {
    const api = await brokerApi(target.brokers);
    const { config, state } = await api.streams.info(target.stream);
    // An empty stream cannot be full: a limit below the smallest message would test nothing.
    if (state.bytes === 0) throw new FaultNotApplicable('the stream is empty');
    const limitBefore = config.max_bytes;
    const heal = (): Promise<void> => drain(target, limitBefore);
    try {
      await api.streams.update(target.stream, { max_bytes: state.bytes + SLACK_BYTES });
    } catch (error) {
      // The brokers may have taken the change although no answer came.
      await heal();
      throw error;
    }
    return { detail: `${state.messages} messages, ${state.bytes} bytes`, heal };
  },
};

async function drain(target: Target, limitBytes: number): Promise<void> {
  const undo = async (): Promise<true> => {
    const api = await brokerApi(target.brokers);
    const settled = await settledSequence(target);
    if (settled > 0) await api.streams.purge(target.stream, { seq: settled + 1 });
    await api.streams.update(target.stream, { max_bytes: limitBytes });
    return true;
  };
  const what = 'the limit of the stream to be as before';
  await until(undo, { timeoutMs: HEAL_MS_MAX, what, intervalMs: RETRY_MS });
}

/** Up to here every consumer has settled every message; 0 when one of them has settled none. */
async function settledSequence(target: Target): Promise<number> {
  const api = await brokerApi(target.brokers);
  let settled = Number.POSITIVE_INFINITY;
  let found = 0;
  for await (const consumer of api.consumers.list(target.stream)) {
    settled = Math.min(settled, consumer.ack_floor.stream_seq);
    found += 1;
  }
  // During an election a list may miss a consumer, and its messages would be purged.
  return found >= target.consumers.length && found > 0 ? settled : 0;
}
