/** A leader hands over in order, as in a rolling upgrade: open requests reach a broker that does not lead any more. */
import { until } from '../../system/deadline.js';
import type { Target } from '../../system/target.js';
import { currentLeader, type Led } from '../victims.js';
import { FaultNotApplicable, type ActiveFault, type Fault } from '../fault.js';

const REQUEST_MS_MAX = 3_000;
const ELECTED_MS_MAX = 30_000;
const HOLD_MS = [0, 500] as const;

/** The stream's leader. */
export const stepDownStreamLeader: Fault = {
  name: 'step-down-stream-leader',
  what: 'the leader of the stream hands over to another broker',
  touches: ['brokers'],
  holdMs: HOLD_MS,
  applies: () => true,
  start: (target) => stepDown(target, 'stream', `STREAM.LEADER.STEPDOWN.${target.stream}`),
};

/** A consumer's leader. */
export const stepDownConsumerLeader: Fault = {
  name: 'step-down-consumer-leader',
  what: 'the leader of a consumer hands over to another broker',
  touches: ['brokers'],
  holdMs: HOLD_MS,
  applies: (target) => target.consumers.length > 0,
  start(target, random) {
    const consumer = random.pick(target.consumers);
    return stepDown(target, { consumer }, `CONSUMER.LEADER.STEPDOWN.${target.stream}.${consumer}`);
  },
};

async function stepDown(target: Target, what: Led, request: string): Promise<ActiveFault> {
  const before = await currentLeader(target, what);
  const answer = await target.brokers.request(`$JS.API.${request}`, '', { timeout: REQUEST_MS_MAX });
  const { error } = answer.json<{ error?: { description?: string } }>();
  if (error !== undefined)
    throw new FaultNotApplicable(`the brokers refuse: ${error.description ?? 'no reason'}`);
  const whose = what === 'stream' ? 'the stream' : `the consumer ${what.consumer}`;
  const heal = async (): Promise<void> => {
    const isLed = async (): Promise<boolean> => (await target.leaderOf(what)) !== undefined;
    await until(isLed, { timeoutMs: ELECTED_MS_MAX, what: `a leader of ${whose}` });
  };
  return { detail: `${before}, which led ${whose}`, heal };
}
