/** Rules and dashboard ask for metrics that exist, and every metric of ours is asked for. */
import { describe, expect, it } from '@jest/globals';
import {
  ConsumerProgram,
  GatewayMetrics,
  measurePool,
  ProgramMetrics,
  SystemMetrics,
} from '#observability/metrics';
import {
  groupingsOf,
  readAlerts,
  readAlertTests,
  readExpressions,
  readPanels,
  selectorsOf,
} from '../test/monitoring-files.js';

const POOL = { totalCount: 2, idleCount: 1, waitingCount: 0, options: { max: 2 } };
/** Prometheus gives these to every series. */
const TARGET_LABELS = ['instance', 'job', 'service'];
const DELIVERY = { seq: 1, subject: 'a', deliveryCount: 1, publishedAt: new Date() };

/** The labels of each metric, as a program of each kind exposes it after it did something of each kind. */
async function exposedMetrics(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const program = new ProgramMetrics('gateway');
  measurePool(program, POOL);
  const gateway = new GatewayMetrics(program, ['busy']);
  gateway.refused('busy');
  gateway.answered('GET', '/a', 200, 1);
  const outcomes = [{ status: 'unavailable' as const, reason: 'busy' }];
  await gateway.publisher({ publishAll: () => Promise.resolve(outcomes) }).publishAll([{ topic: 'a' }], {});
  const consumer = { lagEvents: 1, lagSeconds: 1, inFlightEvents: 1, lastSettledSeconds: 1 };
  const brokers = {
    ...{ streamBytes: 1, streamBytesMax: 1, streamMessages: 1, ageSecondsMax: 1 },
    ...{ replicasExpected: 1, replicasCurrent: 1, consumer },
  };
  const database = { outcomes: { stored: 1 }, partitionsEndSeconds: 1, bytes: 1 };
  new SystemMetrics(program, () => Promise.resolve({ brokers, database, certificates: { A: 1 } }));
  return labelsOf((await program.text()) + (await consumerText()));
}

async function consumerText(): Promise<string> {
  const program = new ConsumerProgram({
    ...{ program: 'worker', host: '127.0.0.1', port: 0, pool: POOL },
    topicOf: (subject) => subject,
  });
  const meter = program.meter('store');
  meter?.happened({ type: 'dead-letter', reason: 'not_json' });
  meter?.happened({ type: 'session-lost' });
  const outcomes = new Map([[1, { kind: 'stored' }]]);
  const inner = {
    isSlow: () => false,
    suspectsAmong: () => Promise.resolve(new Set<number>()),
    process: () => Promise.resolve(outcomes),
    processSuspect: () => Promise.resolve(outcomes),
  };
  await meter?.decider(inner).process(1, [DELIVERY]);
  const dropped = { payloads: 1, rows: 1, bytes: 1, ids: 1 };
  program.watchRetention(() => ({ ...dropped, steppedAtMs: 1, passedAtMs: 1 }));
  program.watch(() => new Map([['store', { state: 'idle', held: 0, quietMs: 0 }]]));
  return program.text();
}

function labelsOf(text: string): Map<string, Set<string>> {
  const metrics = new Map<string, Set<string>>();
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)(\{.*\})? /gm)) {
    const known = metrics.get(name) ?? new Set();
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label);
    metrics.set(name, known);
  }
  return metrics;
}

const exposed = await exposedMetrics();
const expressions = readExpressions();

describe('the rules and the dashboard', () => {
  it('are found', () => {
    expect(readAlerts().length).toBeGreaterThanOrEqual(20);
    expect(readPanels().length).toBeGreaterThanOrEqual(30);
    expect(expressions.every(({ expr }) => selectorsOf(expr).length > 0)).toBe(true);
  });

  it.each(expressions)('$where asks for metrics and labels that programs expose: $expr', ({ expr }) => {
    const selectors = selectorsOf(expr);
    const unknown = selectors.filter(({ metric }) => metric !== 'up' && !exposed.has(metric));
    expect(unknown.map(({ metric }) => metric)).toEqual([]);
    const labels = new Set(selectors.flatMap(({ metric }) => [...(exposed.get(metric) ?? [])]));
    const asked = [...selectors.flatMap((selector) => selector.labels), ...groupingsOf(expr)];
    expect(asked.filter((label) => !labels.has(label) && !TARGET_LABELS.includes(label))).toEqual([]);
  });

  it('ask for every metric of ours', () => {
    const asked = new Set(
      expressions.flatMap(({ expr }) => selectorsOf(expr).map(({ metric }) => family(metric))),
    );
    const unused = [...exposed.keys()].filter(
      (name) => name.startsWith('sekali_') && !asked.has(family(name)),
    );
    expect(unused).toEqual([]);
  });
});

/** The name of the metric that a series of a histogram belongs to. */
function family(name: string): string {
  return name.replace(/_(?:bucket|sum|count)$/, '');
}

describe('every alert', () => {
  const tests = readAlertTests();
  const testsOf = (alert: string, fires: boolean): number =>
    tests.filter(({ alert_rule_test: cases }) =>
      cases.some(({ alertname, exp_alerts: alerts }) => alertname === alert && alerts.length > 0 === fires),
    ).length;

  it.each(readAlerts())(
    '$alert has a test that fires it and one that does not, and says what to do',
    (rule) => {
      const { alert, labels, annotations } = rule;
      expect({ fires: testsOf(alert, true), staysQuiet: testsOf(alert, false) }).toEqual({
        fires: 1,
        staysQuiet: 1,
      });
      expect(['critical', 'warning']).toContain(labels.severity);
      for (const text of [annotations.summary, annotations.remedy]) expect(text).toMatch(/^[A-Z`].*\.$/);
    },
  );

  it('has a name of its own', () => {
    const names = readAlerts().map(({ alert }) => alert);
    expect(new Set(names).size).toBe(names.length);
  });

  it('is tested, and nothing else is', () => {
    const known = new Set(readAlerts().map(({ alert }) => alert));
    const tested = tests.flatMap(({ alert_rule_test: cases }) => cases.map(({ alertname }) => alertname));
    expect(tested.filter((name) => !known.has(name))).toEqual([]);
  });
});
