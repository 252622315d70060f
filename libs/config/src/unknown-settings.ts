/**
 * Finds variables named `SEKALI_…` that are not settings of any of our programs.
 *
 * A name that is nearly a setting is a typing error, and is refused. Otherwise the program would run without what its
 * user asked for. Any other name is only reported, because it may belong to another product or a newer version.
 */
import {
  accountsFields,
  clientFields,
  connectionFields,
  gatewayFields,
  localClusterFields,
  metricsFields,
  setupFields,
  streamFields,
  workerFields,
} from './settings.js';

/** Settings of docker-compose.yml and of the tests. */
const OTHERS = [
  'SEKALI_SECRETS',
  'SEKALI_SYNC_INTERVAL',
  'SEKALI_BROKER_BYTES_MAX',
  'SEKALI_BROKERS_PER_DISK',
  'SEKALI_TEST_SERVERS',
  'SEKALI_CHROMIUM',
  'SEKALI_FUZZ_INPUTS',
  'SEKALI_FUZZ_SEED',
];

const GROUPS = [
  connectionFields,
  metricsFields,
  streamFields,
  setupFields,
  gatewayFields,
  workerFields,
  accountsFields,
  localClusterFields,
  clientFields,
];
const KNOWN: ReadonlySet<string> = new Set([...GROUPS.flatMap((group) => Object.keys(group)), ...OTHERS]);

/** Up to this many letters may be missing, added, wrong or swapped in a name that counts as mistyped. */
const MISTYPED_MAX = 2;
/** Kubernetes sets these for a service named `sekali…`. */
const SERVICE_LINK = /^SEKALI_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP)\w*)$/;

/** The problems of the names, one line each. */
export interface UnknownSettings {
  /** Names to refuse. */
  readonly mistyped: readonly string[];
  /** Names to report. */
  readonly foreign: readonly string[];
}

/** Finds names in an environment that none of our programs knows. */
export function unknownSettings(environment: Readonly<Record<string, string | undefined>>): UnknownSettings {
  const [mistyped, foreign]: [string[], string[]] = [[], []];
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('SEKALI_') || KNOWN.has(name) || isServiceLink(name, value)) continue;
    const { nearest, distance } = nearestSetting(name);
    if (distance <= MISTYPED_MAX)
      mistyped.push(`${name}: there is no such setting; did you mean ${nearest}?`);
    else foreign.push(`${name} is not a setting; the nearest is ${nearest}`);
  }
  return { mistyped, foreign };
}

function isServiceLink(name: string, value = ''): boolean {
  return SERVICE_LINK.test(name) || (name.endsWith('_PORT') && /^(?:tcp|udp):\/\//.test(value));
}

/** The nearest setting. Among names that differ much, one that contains all the words comes first. */
function nearestSetting(name: string): { nearest: string; distance: number } {
  const measured = [...KNOWN]
    .map((known) => ({ nearest: known, distance: editDistance(name, known) }))
    .sort((a, b) => a.distance - b.distance);
  const least = measured[0] ?? { nearest: '', distance: Infinity };
  if (least.distance <= MISTYPED_MAX) return least;
  const words = name.split('_');
  return measured.find(({ nearest }) => words.every((word) => nearest.split('_').includes(word))) ?? least;
}

/** Optimal string alignment: letters added, left out, replaced, or swapped with their neighbour. */
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
