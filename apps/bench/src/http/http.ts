/**
 * Events over HTTP. One event per request is compared with plain Fastify, many per request with a client that uses no
 * HTTP. Both are compared with the typical way as well.
 *
 * All programs of a group run from its beginning to its end. They are idle while another one is measured.
 */
import {
  interleave,
  type Group,
  type Measured,
  type Series,
  seriesOf,
  type Target,
  type Unit,
} from '../measurement.js';
import type { Sizes } from '../sizes.js';
import type { Program } from '../environment/program.js';
import type { Environment } from '../environment/environment.js';
import { HttpFixture } from './fixture.js';
import { checkedSubject, httpRound, inStream, inTable, publishRound, type Subject } from './subjects.js';

/** Connections of the load. There are enough that no subject waits for the load. */
export const SINGLE_CONNECTIONS = 64;
/** Events per request, of the loads with more than one. */
export const BATCH_SIZES = [100, 1_000] as const;

const SINGLE_TARGETS: readonly Target[] = [{ against: 'ceiling', atLeast: 0.75 }];
const BATCH_TARGETS: readonly Target[] = [{ against: 'ceiling', atLeast: 1 }];

/** Receives every round's value. Round 0 is the warm-up. */
export type OnRound = (subject: string, round: number, value: number) => void;

/** The name, the label and the unit of a load with this many events per request. */
export function httpLoad(eventsPerRequest: number): { name: string; what: string; unit: Unit } {
  if (eventsPerRequest === 1) {
    return { name: 'http-single', what: 'HTTP, one event a request', unit: 'requests/s' };
  }
  return {
    name: `http-batch-${eventsPerRequest}`,
    what: `HTTP, ${eventsPerRequest.toLocaleString('en')} events a request`,
    unit: 'events/s',
  };
}

/** One event per request. Throws `WrongSubjectError` when events that a subject accepted are missing. */
export async function measureHttpSingle(
  environment: Environment,
  sizes: Sizes,
  onRound: OnRound = () => undefined,
): Promise<Group> {
  const { unit, ...group } = httpLoad(1);
  const load = {
    path: '/publish',
    connections: SINGLE_CONNECTIONS,
    eventsPerRequest: 1,
    durationMs: sizes.httpRoundMs,
  };
  const series = await HttpFixture.whileOpen(environment, async (fixture) => {
    const gateway = await fixture.gateway();
    const baseline = await fixture.program('baseline-http', 'bench/src/http/baseline-http.js');
    const typical = await fixture.program('typical-http', 'bench/src/http/typical-http.js');
    const stream = inStream(fixture.gauge);
    const round = (program: Program) => () => httpRound(environment, { ...load, program }, unit);
    const subjects = [
      checkedSubject({ role: 'ours', subject: 'sekali gateway', unit }, stream, round(gateway)),
      checkedSubject(
        { role: 'ceiling', subject: 'baseline: Fastify + js.publish', unit },
        stream,
        round(baseline),
      ),
      checkedSubject(
        { role: 'typical', subject: 'Nest + TypeORM save', unit },
        inTable(fixture.pool),
        round(typical),
      ),
    ];
    return measureRounds(subjects, sizes, onRound);
  });
  return { ...group, series, targets: SINGLE_TARGETS };
}

/** `batchSize` events per request. Throws `WrongSubjectError` when events that a subject accepted are missing. */
export async function measureHttpBatch(
  environment: Environment,
  sizes: Sizes,
  batchSize: number,
  onRound: OnRound = () => undefined,
): Promise<Group> {
  const { unit, ...group } = httpLoad(batchSize);
  const durationMs = sizes.httpRoundMs;
  const load = { connections: sizes.batchConnections, eventsPerRequest: batchSize, durationMs };
  const series = await HttpFixture.whileOpen(environment, async (fixture) => {
    const gateway = await fixture.gateway();
    const typical = await fixture.program('typical-http', 'bench/src/http/typical-http.js');
    const stream = inStream(fixture.gauge);
    const subjects = [
      checkedSubject({ role: 'ours', subject: 'sekali gateway', unit }, stream, () =>
        httpRound(environment, { ...load, program: gateway, path: '/publish' }, unit),
      ),
      checkedSubject(
        { role: 'ceiling', subject: 'baseline: client with bounded js.publish', unit },
        stream,
        () => publishRound(environment, durationMs),
      ),
      checkedSubject({ role: 'typical', subject: 'Nest + TypeORM save', unit }, inTable(fixture.pool), () =>
        httpRound(environment, { ...load, program: typical, path: '/publish/batch' }, unit),
      ),
    ];
    return measureRounds(subjects, sizes, onRound);
  });
  return { ...group, series, targets: BATCH_TARGETS };
}

async function measureRounds(
  subjects: readonly Subject[],
  sizes: Sizes,
  onRound: OnRound,
): Promise<Series[]> {
  const values = await interleave(subjects, sizes, ({ subject }, round, { value }: Measured) =>
    onRound(subject, round, value),
  );
  return subjects.map((one) => seriesOf(one, values.get(one)));
}
