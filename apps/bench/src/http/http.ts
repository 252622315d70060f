/**
 * Events over HTTP: one a request against bare Fastify, and many a request against a client without any HTTP; beside
 * both, what users do today.
 *
 * All programs of a group run from its beginning to its end and are idle when it is not their turn.
 */
import { interleave, type Group, type Measured, type Series, seriesOf, type Target } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import type { Program } from '../stage/program.js';
import type { Stage } from '../stage/stage.js';
import { Ground } from './ground.js';
import { checkedSubject, httpTurn, inStream, inTable, publishTurn, type Subject } from './subjects.js';

/** Connections of the load: enough that none of the subjects waits for it. */
export const SINGLE_CONNECTIONS = 64;
/** The largest requests that are measured. */
export const BATCH_EVENTS_MAX = 1_000;

const SINGLE_TARGETS: readonly Target[] = [{ against: 'ceiling', atLeast: 0.75 }];
const BATCH_TARGETS: readonly Target[] = [{ against: 'ceiling', atLeast: 1 }];

/** Told after every turn; round 0 is the warm-up. */
export type OnTurn = (subject: string, round: number, value: number) => void;

/** One event a request. Throws `WrongSubjectError` when what a subject accepted is not there. */
export async function measureHttpSingle(
  stage: Stage,
  sizes: Sizes,
  onTurn: OnTurn = () => undefined,
): Promise<Group> {
  const unit = 'requests/s';
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
  return { name: 'http-single', what: 'HTTP, one event a request', series, targets: SINGLE_TARGETS };
}

/** `batchSize` events a request. Throws `WrongSubjectError` when what a subject accepted is not there. */
export async function measureHttpBatch(
  stage: Stage,
  sizes: Sizes,
  batchSize: number,
  onTurn: OnTurn = () => undefined,
): Promise<Group> {
  const unit = 'events/s';
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
  const what = `HTTP, ${batchSize.toLocaleString('en')} events a request`;
  return { name: `http-batch-${batchSize}`, what, series, targets: BATCH_TARGETS };
}

async function takeTurns(subjects: readonly Subject[], sizes: Sizes, onTurn: OnTurn): Promise<Series[]> {
  const values = await interleave(subjects, sizes, ({ subject }, round, { value }: Measured) =>
    onTurn(subject, round, value),
  );
  return subjects.map((one) => seriesOf(one, values.get(one)));
}
