/**
 * Events over HTTP: one a request against bare Fastify, and many a request against a client without any HTTP; beside
 * both, what users do today.
 *
 * All programs of a group run from its beginning to its end and are idle when it is not their turn.
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
import type { Program } from '../stage/program.js';
import type { Stage } from '../stage/stage.js';
import { Ground } from './ground.js';
import { checkedSubject, httpTurn, inStream, inTable, publishTurn, type Subject } from './subjects.js';

/** Connections of the load: enough that none of the subjects waits for it. */
export const SINGLE_CONNECTIONS = 64;
/** Events a request, of the loads with more than one. */
export const BATCH_SIZES = [100, 1_000] as const;

const SINGLE_TARGETS: readonly Target[] = [{ against: 'ceiling', atLeast: 0.75 }];
const BATCH_TARGETS: readonly Target[] = [{ against: 'ceiling', atLeast: 1 }];

/** Told after every turn; round 0 is the warm-up. */
export type OnTurn = (subject: string, round: number, value: number) => void;

/** What a load of so many events a request is called, and counted in. */
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

/** One event a request. Throws `WrongSubjectError` when what a subject accepted is not there. */
export async function measureHttpSingle(
  stage: Stage,
  sizes: Sizes,
  onTurn: OnTurn = () => undefined,
): Promise<Group> {
  const { unit, ...group } = httpLoad(1);
  const load = {
    path: '/publish',
    connections: SINGLE_CONNECTIONS,
    eventsPerRequest: 1,
    durationMs: sizes.httpRoundMs,
  };
  const series = await Ground.whileOpen(stage, async (ground) => {
    const gateway = await ground.gateway();
    const bare = await ground.program('bare-http', 'bench/src/http/bare-http.js');
    const typical = await ground.program('typical-http', 'bench/src/http/typical-http.js');
    const stream = inStream(ground.gauge);
    const turn = (program: Program) => () => httpTurn(stage, { ...load, program }, unit);
    const subjects = [
      checkedSubject({ role: 'ours', subject: 'sekali gateway', unit }, stream, turn(gateway)),
      checkedSubject({ role: 'ceiling', subject: 'bare Fastify + js.publish', unit }, stream, turn(bare)),
      checkedSubject(
        { role: 'today', subject: 'Nest + TypeORM save', unit },
        inTable(ground.pool),
        turn(typical),
      ),
    ];
    return takeTurns(subjects, sizes, onTurn);
  });
  return { ...group, series, targets: SINGLE_TARGETS };
}

/** `batchSize` events a request. Throws `WrongSubjectError` when what a subject accepted is not there. */
export async function measureHttpBatch(
  stage: Stage,
  sizes: Sizes,
  batchSize: number,
  onTurn: OnTurn = () => undefined,
): Promise<Group> {
  const { unit, ...group } = httpLoad(batchSize);
  const durationMs = sizes.httpRoundMs;
  const load = { connections: sizes.batchConnections, eventsPerRequest: batchSize, durationMs };
  const series = await Ground.whileOpen(stage, async (ground) => {
    const gateway = await ground.gateway();
    const typical = await ground.program('typical-http', 'bench/src/http/typical-http.js');
    const stream = inStream(ground.gauge);
    const subjects = [
      checkedSubject({ role: 'ours', subject: 'sekali gateway', unit }, stream, () =>
        httpTurn(stage, { ...load, program: gateway, path: '/publish' }, unit),
      ),
      checkedSubject({ role: 'ceiling', subject: 'bare client, bounded js.publish', unit }, stream, () =>
        publishTurn(stage, durationMs),
      ),
      checkedSubject({ role: 'today', subject: 'Nest + TypeORM save', unit }, inTable(ground.pool), () =>
        httpTurn(stage, { ...load, program: typical, path: '/publish/batch' }, unit),
      ),
    ];
    return takeTurns(subjects, sizes, onTurn);
  });
  return { ...group, series, targets: BATCH_TARGETS };
}

async function takeTurns(subjects: readonly Subject[], sizes: Sizes, onTurn: OnTurn): Promise<Series[]> {
  const values = await interleave(subjects, sizes, ({ subject }, round, { value }: Measured) =>
    onTurn(subject, round, value),
  );
  return subjects.map((one) => seriesOf(one, values.get(one)));
}
