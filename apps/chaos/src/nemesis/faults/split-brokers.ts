/**
 * The broker that most gateways, or most workers, are connected to is cut off from the two others.
 *
 * All three are alive and take connections, so only silence shows a program that it is connected to the wrong one. A
 * majority of brokers is together, so publishing and storing must go on while the split lasts. The checker judges that
 * (flow.ts).
 */
import type { Target } from '../../system/target.js';
import type { Random } from '../../workload/random.js';
import { FaultNotApplicable, type Fault, type Part } from '../fault.js';
import { processesOf, runningOf } from '../victims.js';

const CLUSTER_BROKERS = 3;
/** Long enough to notice, to go elsewhere, and to be seen working there. */
const HOLD_MS = [22_000, 28_000] as const;
const CURRENT_AFTER_MS_MAX = 50_000;
/** A simultaneous fault that stops something could not be distinguished from the effect of this one. */
const EVERYTHING: readonly Part[] = [
  ...(['gateway', 'worker', 'brokers', 'postgres'] as const),
  ...(['worker-links', 'gateway-links', 'stream'] as const),
];

/** `split-gateway-broker` and `split-worker-broker`. */
export const splitFaults: readonly Fault[] = (['gateway', 'worker'] as const).map((role) => ({
  name: `split-${role}-broker`,
  what: `the broker of most ${role}s is cut off from the others, and still takes connections`,
  touches: EVERYTHING,
  holdMs: HOLD_MS,
  prepares: 'routes',
  goesOn: true,
  applies: (target) =>
    target.routes !== undefined && processesOf(target, 'broker').length === CLUSTER_BROKERS,
  async start(target, random) {
    const { routes } = target;
    if (routes === undefined) throw new FaultNotApplicable('the routes do not lead through proxies');
    const { name, connections } = await busiest(target, role, random);
    const how = random.chance(0.5) ? 'reset' : 'silence';
    routes.isolate(name, how);
    return {
      detail: `${name}, with ${connections} connections of ${role}s, by ${how}`,
      heal: async () => {
        routes.heal();
        await target.untilReplicasCurrent(CURRENT_AFTER_MS_MAX);
      },
    };
  },
}));

async function busiest(
  target: Target,
  role: 'gateway' | 'worker',
  random: Random,
): Promise<{ readonly name: string; readonly connections: number }> {
  const counted = await Promise.all(
    random.shuffle(runningOf(target, 'broker')).map(async ({ process: { name } }) => ({
      name,
      connections: await target.connectionsOf(role, name),
    })),
  );
  const [first] = counted.sort((one, other) => other.connections - one.connections);
  if (first === undefined || first.connections === 0)
    throw new FaultNotApplicable(`no ${role} is connected to any broker`);
  return first;
}
