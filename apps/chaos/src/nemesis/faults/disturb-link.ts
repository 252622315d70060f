/** Faults of a network between two healthy programs: four kinds for each of the links that lead through a proxy. */
import type { Link, LinkName } from '../../system/target.js';
import type { Random } from '../../workload/random.js';
import { FaultNotApplicable, type Fault, type Part } from '../fault.js';

const DELAY_MS_MIN = 20;
const DELAY_MS_MAX = 400;

const LINKS: Readonly<Record<LinkName, Part>> = {
  'worker-postgres': 'worker-links',
  'worker-broker': 'worker-links',
  'gateway-broker': 'gateway-links',
  'gateway-postgres': 'gateway-links',
};

interface Trouble {
  readonly name: string;
  readonly what: string;
  readonly holdMs: readonly [number, number];
  /** Starts the trouble, and says what was done. */
  apply(link: Link, random: Random): string;
}

const TROUBLES: readonly Trouble[] = [
  {
    name: 'delay',
    what: 'everything arrives late',
    holdMs: [4_000, 10_000],
    apply(link, random) {
      const delayMs = random.between(DELAY_MS_MIN, DELAY_MS_MAX);
      link.delay(delayMs);
      return `${delayMs} ms in each direction`;
    },
  },
  {
    name: 'cut',
    what: 'connections are reset and new ones refused',
    holdMs: [2_000, 8_000],
    apply(link) {
      link.cut();
      return 'all connections';
    },
  },
  {
    name: 'black-hole',
    what: 'bytes vanish and nothing is closed',
    holdMs: [6_000, 12_000],
    apply(link) {
      link.blackHole();
      return 'all connections';
    },
  },
  {
    name: 'half-open',
    what: 'one side of each connection is gone and the other does not notice',
    holdMs: [4_000, 10_000],
    apply(link) {
      link.halfOpen();
      return 'all connections that were open';
    },
  },
];

/** All of them: `delay-worker-postgres`, `cut-gateway-broker` … */
export const linkFaults: readonly Fault[] = TROUBLES.flatMap((trouble) =>
  Object.entries(LINKS).map(([link, part]) => disturb(trouble, link as LinkName, part)),
);

function disturb(trouble: Trouble, name: LinkName, part: Part): Fault {
  return {
    name: `${trouble.name}-${name}`,
    what: `between ${name.replace('-', ' and ')}: ${trouble.what}`,
    touches: [part],
    holdMs: trouble.holdMs,
    applies: (target) => target.link(name) !== undefined,
    start(target, random) {
      const link = target.link(name);
      if (link === undefined) throw new FaultNotApplicable(`no proxy between ${name.replace('-', ' and ')}`);
      const detail = trouble.apply(link, random);
      const heal = (): Promise<void> => {
        link.heal();
        return Promise.resolve();
      };
      return Promise.resolve({ detail, heal });
    },
  };
}
