/**
 * Variables named `SEKALI_…` that are no setting of any program of ours.
 *
 * One that is nearly a setting is a mistyped one, and the program would run without what its user asked for: it is refused.
 * Any other is only said, because it may be somebody else's, or the setting of a newer version.
 */
import {
  clientFields,
  connectionFields,
  gatewayFields,
  localClusterFields,
  setupFields,
  streamFields,
  workerFields,
} from './settings.js';

/** Read by docker-compose.yml, or by the tests. */
const OTHERS = [
  'SEKALI_SECRETS',
  'SEKALI_SYNC_INTERVAL',
  'SEKALI_BROKER_BYTES_MAX',
  'SEKALI_BROKERS_PER_DISK',
  'SEKALI_TEST_SERVERS',
  'SEKALI_FUZZ_INPUTS',
  'SEKALI_FUZZ_SEED',
];

const GROUPS = [
  connectionFields,
  streamFields,
  setupFields,
  gatewayFields,
  workerFields,
  localClusterFields,
  clientFields,
];
const KNOWN: ReadonlySet<string> = new Set([...GROUPS.flatMap((group) => Object.keys(group)), ...OTHERS]);

/** Letters that may be missing, too many, wrong or exchanged before a name is no longer taken for a mistyped one. */
const MISTYPED_MAX = 2;
/** What Kubernetes sets for a service named `sekali…`. */
const SERVICE_LINK = /^SEKALI_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP)\w*)$/;

/** What is wrong with the names, one line each. */
export interface UnknownSettings {
  /** To be refused. */
  readonly mistyped: readonly string[];
  /** To be said. */
  readonly foreign: readonly string[];
}

/** Looks for names in an environment that no program of ours knows. */
export function unknownSettings(environment: Readonly<Record<string, string | undefined>>): UnknownSettings {
  const [mistyped, foreign]: [string[], string[]] = [[], []];
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('SEKALI_') || KNOWN.has(name) || isServiceLink(name, value)) continue;
    const { nearest, distance } = nearestSetting(name);
    if (distance <= MISTYPED_MAX) mistyped.push(`${name}: there is no such setting; ${nearest} is meant`);
    else foreign.push(`${name} is no setting; the nearest is ${nearest}`);
  }
  return { mistyped, foreign };
}

function isServiceLink(name: string, value = ''): boolean {
  return SERVICE_LINK.test(name) || (name.endsWith('_PORT') && /^(?:tcp|udp):\/\//.test(value));
}

/** The name that differs least; of those that differ much, rather one that has all the words of it. */
function nearestSetting(name: string): { nearest: string; distance: number } {
  const measured = [...KNOWN]
    .map((known) => ({ nearest: known, distance: editDistance(name, known) }))
    .sort((a, b) => a.distance - b.distance);
  const least = measured[0] ?? { nearest: '', distance: Infinity };
  if (least.distance <= MISTYPED_MAX) return least;
  const words = name.split('_');
  return measured.find(({ nearest }) => words.every((word) => nearest.split('_').includes(word))) ?? least;
}

/** Optimal string alignment: letters added, left out, replaced, or exchanged with their neighbour. */
function editDistance(a: string, b: string): number {
  let [last, row]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (last[j - 2] ?? 0) + 1);
      next.push(least);
    }
    [last, row] = [row, next];
  }
  return row[b.length] ?? Infinity;
}
