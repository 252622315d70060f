/**
 * Events over HTTP. One event per request is compared with plain Fastify, many per request with a client that uses no
 * HTTP. Both are compared with the typical way as well.
 *
 * All programs of a group run from its beginning to its end. They are idle while another one is measured.
 */
import type { Group, Target, Unit } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import type { Program } from '../environment/program.js';
import type { Environment } from '../environment/environment.js';
import { HttpFixture } from './fixture.js';
import { pathOf, type RequestForm } from './request-body.js';
import {
  checkedSubject,
  httpRound,
  inStream,
  inTable,
  measureRounds,
  type OnRound,
  publishRound,
  repeatRound,
  type Subject,
} from './subjects.js';

/** Connections of the load. There are enough that no subject waits for the load. */
export const SINGLE_CONNECTIONS = 64;
/** Events per request, of the loads with more than one. */
export const BATCH_SIZES = [100, 1_000] as const;

/** Loads with one event per request, besides the one that is compared with the typical way. */
export const FURTHER_SINGLE_LOADS: readonly SingleLoad[] = [
  { connections: 1, isStored: false },
  { connections: 8, isStored: false },
  { connections: 1, isStored: true },
  { connections: 8, isStored: true },
  { connections: SINGLE_CONNECTIONS, isStored: true },
];
/** Shares of events that another gateway has taken before, and the least speed next to a load without repeats. */
const REPEATS = [
  { share: 0.01, atLeast: 0.97 },
  { share: 0.3, atLeast: 0.85 },
  { share: 1, atLeast: 1.2 },
] as const;
const REPEAT_BATCH_SIZE = 100;
/** The forms that are compared with plain JSON. */
const FORMS: readonly { readonly form: RequestForm; readonly what: string }[] = [
  { form: 'gzip-lines', what: 'lines, gzip' },
  { form: 'otlp-protobuf', what: 'OTLP logs, protobuf' },
];
const FORM_BATCH_SIZE = 1_000;
const DIGEST_BATCH_SIZE = 100;
const TARGETS: readonly Target[] = [{ against: 'ceiling', atLeast: 1 }];

/** A load with one event per request. */
export interface SingleLoad {
  readonly connections: number;
  /** Whether a worker stores the events meanwhile. */
  readonly isStored: boolean;
}

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
  return { ...group, series, targets: TARGETS };
}

/**
 * One event per request over some connections, compared with plain Fastify over as many. Throws `WrongSubjectError`
 * when events that a subject accepted are missing.
 */
export async function measureFurtherSingle(
  environment: Environment,
  sizes: Sizes,
  { connections, isStored }: SingleLoad,
  onRound: OnRound = () => undefined,
): Promise<Group> {
  const unit = 'requests/s';
  const load = { path: '/publish', connections, eventsPerRequest: 1, durationMs: sizes.httpRoundMs };
  const series = await HttpFixture.whileOpen(environment, async (fixture) => {
    const gateway = await fixture.gateway();
    const baseline = await fixture.program('baseline-http', 'bench/src/http/baseline-http.js');
    if (isStored) await fixture.worker();
    const stream = inStream(fixture.gauge);
    const round = (program: Program) => () => httpRound(environment, { ...load, program }, unit);
    const subjects = [
      checkedSubject({ role: 'ours', subject: 'sekali gateway', unit }, stream, round(gateway)),
      checkedSubject(
        { role: 'ceiling', subject: 'baseline: Fastify + js.publish', unit },
        stream,
        round(baseline),
      ),
    ];
    return measureRounds(subjects, sizes, onRound);
  });
  const what = `HTTP, one event a request, ${connections === 1 ? 'one connection' : `${connections} connections`}`;
  return {
    name: `http-single-${connections}${isStored ? '-stored' : ''}`,
    what: isStored ? `${what}, a worker storing` : what,
    series,
    targets: TARGETS,
  };
}

/**
 * Repeats of what another gateway took, compared with the same load without repeats. Throws `WrongSubjectError` when
 * the stream does not have each event once.
 */
export async function measureHttpRepeats(
  environment: Environment,
  sizes: Sizes,
  onRound: OnRound = () => undefined,
): Promise<Group[]> {
  const unit = 'events/s';
  const load = {
    path: '/publish',
    connections: sizes.batchConnections,
    eventsPerRequest: REPEAT_BATCH_SIZE,
    durationMs: sizes.httpRoundMs,
  };
  const [none, ...repeated] = await HttpFixture.whileOpen(environment, async (fixture) => {
    const program = await fixture.gateway();
    const gateway = await fixture.gateway();
    const subjects = [0, ...REPEATS.map(({ share }) => share)].map((share) =>
      checkedSubject(
        {
          role: share === 0 ? 'ceiling' : 'ours',
          subject: share === 0 ? 'without repeats' : `${share * 100} % repeats`,
          unit,
        },
        inStream(fixture.gauge),
        () => repeatRound(environment, { ...load, program }, { share, gateway }),
      ),
    );
    return measureRounds(subjects, sizes, onRound);
  });
  if (none === undefined) throw new Error('nothing was measured without repeats');
  return repeated.map((series, index) => {
    const { share = 0, atLeast = 1 } = REPEATS[index] ?? {};
    return {
      name: `http-repeats-${share * 100}`,
      what: `HTTP, ${REPEAT_BATCH_SIZE} events a request, ${share * 100} % taken by another gateway before`,
      series: [series, none],
      targets: [{ against: 'ceiling', atLeast }],
    };
  });
}

/**
 * Events in the forms of other clients, compared with the same number as plain JSON. Throws `WrongSubjectError` when
 * events that the gateway accepted are missing.
 */
export async function measureHttpForms(
  environment: Environment,
  sizes: Sizes,
  onRound: OnRound = () => undefined,
): Promise<Group[]> {
  const unit = 'events/s';
  const load = {
    connections: sizes.batchConnections,
    eventsPerRequest: FORM_BATCH_SIZE,
    durationMs: sizes.httpRoundMs,
  };
  const [plain, ...others] = await HttpFixture.whileOpen(environment, async (fixture) => {
    const program = await fixture.gateway();
    const subject = (role: 'ours' | 'ceiling', name: string, form: RequestForm): Subject =>
      checkedSubject({ role, subject: name, unit }, inStream(fixture.gauge), () =>
        httpRound(environment, { ...load, program, form, path: pathOf(form) }, unit),
      );
    const subjects = [
      subject('ceiling', 'plain JSON', 'json'),
      ...FORMS.map(({ form, what }) => subject('ours', what, form)),
    ];
    return measureRounds(subjects, sizes, onRound);
  });
  if (plain === undefined) throw new Error('nothing was measured as plain JSON');
  return others.map((series, index) => ({
    name: `http-${FORMS[index]?.form ?? ''}`,
    what: `HTTP, ${FORM_BATCH_SIZE.toLocaleString('en')} events a request as ${FORMS[index]?.what ?? ''}`,
    series: [series, plain],
    targets: [{ against: 'ceiling', atLeast: 0.9 }],
  }));
}

/**
 * Events whose message ids have a digest of the payload, compared with a gateway that computes none. Throws
 * `WrongSubjectError` when events that a gateway accepted are missing.
 */
export async function measureHttpDigests(
  environment: Environment,
  sizes: Sizes,
  onRound: OnRound = () => undefined,
): Promise<Group> {
  const unit = 'events/s';
  const load = {
    path: '/publish',
    connections: sizes.batchConnections,
    eventsPerRequest: DIGEST_BATCH_SIZE,
    durationMs: sizes.httpRoundMs,
  };
  const series = await HttpFixture.whileOpen(environment, async (fixture) => {
    const gateway = await fixture.gateway();
    const undigested = await fixture.gateway('gateway/judged/undigested-gateway.js');
    const subject = (role: 'ours' | 'ceiling', name: string, program: Program): Subject =>
      checkedSubject({ role, subject: name, unit }, inStream(fixture.gauge), () =>
        httpRound(environment, { ...load, program }, unit),
      );
    const subjects = [
      subject('ours', 'with digests', gateway),
      subject('ceiling', 'without digests', undigested),
    ];
    return measureRounds(subjects, sizes, onRound);
  });
  return {
    name: 'http-digests',
    what: `HTTP, ${DIGEST_BATCH_SIZE} events a request, digests in message ids`,
    series,
    targets: [{ against: 'ceiling', atLeast: 0.97 }],
  };
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
        () => publishRound(environment, { durationMs }),
      ),
      checkedSubject({ role: 'typical', subject: 'Nest + TypeORM save', unit }, inTable(fixture.pool), () =>
        httpRound(environment, { ...load, program: typical, path: '/publish/batch' }, unit),
      ),
    ];
    return measureRounds(subjects, sizes, onRound);
  });
  return { ...group, series, targets: TARGETS };
}
