/**
 * Judges the figures of the system itself: `GET /stats` of every gateway, and `sekali audit`.
 *
 * The one figure that need not be exact is `duplicates.broker`, and with it `received` and `duplicate_dropped`. Their
 * sums must add up, but they are compared with nothing else.
 */
import type { StatsView } from '#contracts';
import type { CaseFile, TopicRows } from './case-file.js';
import type { GatewayFigures } from './evidence.js';
import type { ViolationName } from './verdict.js';

/** What the audit sees, too. */
const SEEN_BY_AUDIT: readonly ViolationName[] = [
  'unaccounted',
  'counted_twice',
  'counters_differ',
  'key_without_event',
  'committed_apart',
];

/** Compares the figures of every gateway with themselves, with the rows, and with those of the first gateway. */
export function judgeFigures(file: CaseFile): void {
  const { figures, surroundings } = file;
  for (const gateway of figures) {
    const differs = differences(file, gateway);
    judgeSums(gateway.stats, differs);
    // While others publish, or something is in flight, the figures change after the rows were read.
    if (!surroundings.alone || !surroundings.drained) continue;
    if (file.isWhole('database')) judgeAgainstRows(file, gateway.stats, differs);
  }
  if (surroundings.alone && surroundings.drained) judgeAgreement(file);
}

type Differs = (what: string, says: number, mustBe: number) => void;

function differences({ violations }: CaseFile, { gateway }: GatewayFigures): Differs {
  return (what, says, mustBe) => {
    if (says === mustBe) return;
    violations.add('figures_differ', () => `${gateway}: ${what} is ${says}, it must be ${mustBe}`);
  };
}

function judgeSums(stats: StatsView, differs: Differs): void {
  const { unique_processed: unique, duplicate_dropped: dropped, dead_letters: dead } = stats;
  differs('received', stats.received, unique + dropped + dead + stats.in_flight);
  differs('duplicate_dropped', dropped, stats.duplicates.broker + stats.duplicates.store);
  const topics = Object.values(stats.per_topic);
  const sum = (name: 'unique_processed' | 'duplicate_dropped' | 'conflicts' | 'dead_letters'): number =>
    topics.reduce((total, topic) => total + topic[name], 0);
  differs('the sum of unique_processed per topic', sum('unique_processed'), unique);
  differs('the sum of duplicate_dropped per topic', sum('duplicate_dropped'), dropped);
  differs('the sum of conflicts per topic', sum('conflicts'), stats.conflicts);
  differs('the sum of dead_letters per topic', sum('dead_letters'), dead);
}

function judgeAgainstRows(file: CaseFile, stats: StatsView, differs: Differs): void {
  const rows = file.allRows();
  differs('unique_processed', stats.unique_processed, rows.stored);
  differs('duplicates.store', stats.duplicates.store, rows.duplicates);
  differs('conflicts', stats.conflicts, rows.conflicts);
  differs('dead_letters', stats.dead_letters, rows.deadLetters);
  differs('in_flight', stats.in_flight, 0);
  const listed = new Set(stats.topics);
  for (const topic of new Set([...Object.keys(stats.per_topic), ...listed, ...file.rowsByTopic.keys()])) {
    const stored = file.rowsByTopic.get(topic)?.stored ?? 0;
    differs(`topic ${topic} in topics`, Number(listed.has(topic)), Number(stored > 0));
    judgeTopic(topic, stats, file.rowsByTopic.get(topic), differs);
  }
}

function judgeTopic(topic: string, stats: StatsView, rows: TopicRows | undefined, differs: Differs): void {
  const says = stats.per_topic[topic];
  const dropped = says?.duplicate_dropped ?? 0;
  differs(`unique_processed of ${topic}`, says?.unique_processed ?? 0, rows?.stored ?? 0);
  differs(`conflicts of ${topic}`, says?.conflicts ?? 0, rows?.conflicts ?? 0);
  differs(`dead_letters of ${topic}`, says?.dead_letters ?? 0, rows?.deadLetters ?? 0);
  // Those that the brokers dropped come on top.
  differs(`duplicate_dropped of ${topic}`, dropped, Math.max(dropped, rows?.duplicates ?? 0));
}

function judgeAgreement({ figures, violations }: CaseFile): void {
  const [first, ...others] = figures;
  if (first === undefined) return;
  const expected = new Map(exactFigures(first.stats));
  for (const { gateway, stats } of others) {
    const found = new Map(exactFigures(stats));
    for (const name of new Set([...expected.keys(), ...found.keys()])) {
      const [here, there] = [found.get(name) ?? 'nothing', expected.get(name) ?? 'nothing'];
      if (here === there) continue;
      violations.add(
        'gateways_disagree',
        () => `${name}: ${gateway} says ${here}, ${first.gateway} says ${there}`,
      );
    }
  }
}

/** Everything that must be the same from every gateway: no clock, and nothing with the brokers' duplicates in it. */
function exactFigures(stats: StatsView): [name: string, value: number | string][] {
  return [
    ['unique_processed', stats.unique_processed],
    ['duplicates.store', stats.duplicates.store],
    ['conflicts', stats.conflicts],
    ['dead_letters', stats.dead_letters],
    ['in_flight', stats.in_flight],
    ['redelivered', stats.redelivered],
    ['topics', [...stats.topics].sort().join(' ')],
    ...Object.entries(stats.per_topic).flatMap(([topic, of]): [string, number][] => [
      [`unique_processed of ${topic}`, of.unique_processed],
      [`conflicts of ${topic}`, of.conflicts],
      [`dead_letters of ${topic}`, of.dead_letters],
    ]),
  ];
}

/**
 * Compares the audit's opinion with what was found here. It comes last.
 *
 * @returns why it proves nothing; undefined when it agrees or is a violation
 */
export function judgeAudit({ audit, violations, surroundings }: CaseFile): string | undefined {
  if (audit === undefined) return undefined;
  const { exitCode, says } = audit;
  if (exitCode === 0) {
    if (violations.has(SEEN_BY_AUDIT)) {
      violations.add('audit_disagrees', () => `it finds everything whole: ${says}`);
    }
    return undefined;
  }
  if (exitCode !== 1) return `audit: its verdict is unknown (exit code ${exitCode}): ${says}`;
  if (!violations.none) return undefined;
  // A fault made the brokers lose what they had acknowledged. The judge knows when; the audit only sees that they did.
  const { lossWindows = [] } = surroundings;
  if (audit.onlyBrokenPromises === true && lossWindows.length > 0) return undefined;
  // The audit checks everything, the judge only what belongs to the run.
  if (!surroundings.alone) return `audit: it finds a violation, which may concern events of others: ${says}`;
  violations.add('audit_disagrees', () => `it finds a violation, and nothing was found here: ${says}`);
  return undefined;
}
