/**
 * How much memory a gateway and a worker take. It is measured while many events pass, while a backlog is drained, and
 * when a producer is faster than the brokers.
 *
 *   events pass (gateway + worker) ─▶ backlog (gateway alone) ─▶ drain (a new worker) ─▶ hammer (a new gateway)
 *
 * A figure is the peak of a process since its start (VmHWM), so it cannot be missed between two readings. Only Linux
 * has it.
 */
import { readGatewaySettings } from '#config';
import { pause } from '#waiting';
import { HttpFixture } from '../http/fixture.js';
import type { LoadOrder, LoadReport } from '../http/load-order.js';
import { runToReport } from '../http/program-run.js';
import { newIdPrefix } from '../http/subjects.js';
import type { Bound, Group, Series } from '../measurement.js';
import type { Program } from '../environment/program.js';
import type { Environment } from '../environment/environment.js';
import type { Sizes } from '../sizes.js';
import { WrongSubjectError } from '../wrong-subject.js';
import { canReadMemory, peakMemoryMb } from './process-memory.js';

const RESIDENT_MB_MAX = 250;
const EVENTS_PER_REQUEST = 1_000;
const CONNECTIONS = 8;
/** This many simultaneous requests of 1,000 events are several times what the gateway allows to wait. */
const HAMMER_CONNECTIONS = 64;
/** The hammer lasts for this many rounds of HTTP load. */
const HAMMER_ROUNDS = 3;
const POLL_MS = 250;
const EVENTS_PER_SECOND_MIN = 500;
const PATIENCE_MS_MIN = 30_000;

/** The memory that one process took. */
interface Peak {
  readonly subject: string;
  readonly mb: number;
}

/** Measures all of it. @throws when an event is lost, or when a producer faster than the brokers was never refused */
export async function measureMemory(
  environment: Environment,
  sizes: Sizes,
  onProgress: (what: string) => void = () => undefined,
): Promise<Group> {
  const group = { name: 'memory', what: 'Memory resident, at most', targets: [] };
  if (!canReadMemory)
    return { ...group, series: [], notes: ['Not measured: only Linux has the peak of a process.'] };
  const events = Math.ceil(sizes.memoryMessages / EVENTS_PER_REQUEST) * EVENTS_PER_REQUEST;
  const peaks: Peak[] = [];
  onProgress(`${events.toLocaleString('en')} events pass`);
  peaks.push(...(await whilePassing(environment, events)));
  onProgress(`a backlog of ${events.toLocaleString('en')} is drained`);
  peaks.push(...(await whileDraining(environment, events)));
  onProgress('a producer is faster than the brokers');
  const hammered = await whileHammered(environment, sizes.httpRoundMs * HAMMER_ROUNDS);
  peaks.push(hammered.peak);
  return { ...group, series: peaks.map(asSeries), bounds: peaks.map(asBound), notes: [hammered.note] };
}

async function whilePassing(environment: Environment, events: number): Promise<Peak[]> {
  return HttpFixture.whileOpen(environment, async (fixture) => {
    const worker = await fixture.worker();
    const gateway = await fixture.gateway();
    await publish(fixture, gateway, events);
    await untilSettled(fixture, events);
    const [ofGateway, ofWorker] = await Promise.all([peakMemoryMb(gateway.pid), peakMemoryMb(worker.pid)]);
    return [
      { subject: 'gateway, events pass', mb: ofGateway },
      { subject: 'worker, events pass', mb: ofWorker },
    ];
  });
}

async function whileDraining(environment: Environment, events: number): Promise<Peak[]> {
  return HttpFixture.whileOpen(environment, async (fixture) => {
    const gateway = await fixture.gateway();
    await publish(fixture, gateway, events);
    const ofGateway = await peakMemoryMb(gateway.pid);
    await gateway.stop();
    const worker = await fixture.worker();
    await untilSettled(fixture, events);
    return [
      { subject: 'gateway, filling the backlog', mb: ofGateway },
      { subject: 'worker, draining the backlog', mb: await peakMemoryMb(worker.pid) },
    ];
  });
}

/** Requests are sent again at once, regardless of `Retry-After`. */
async function whileHammered(
  environment: Environment,
  durationMs: number,
): Promise<{ peak: Peak; note: string }> {
  return HttpFixture.whileOpen(environment, async (fixture) => {
    const gateway = await fixture.gateway();
    const report = await load(fixture, gateway, { connections: HAMMER_CONNECTIONS, durationMs });
    if (report.refused === 0 || report.failed > 0) {
      throw new WrongSubjectError(
        `Hammered, the gateway refused ${report.refused} requests with Retry-After and failed ${report.failed} ` +
          `otherwise (${report.firstFailure ?? 'none'}).`,
      );
    }
    const found = await fixture.gauge.messages();
    if (found < report.differentAccepted) {
      throw new WrongSubjectError(`${report.differentAccepted} events were accepted, ${found} were found.`);
    }
    const peak = { subject: 'gateway, hammered', mb: await peakMemoryMb(gateway.pid) };
    const note =
      `Hammered over ${HAMMER_CONNECTIONS} connections, the gateway accepted ${report.differentAccepted} events and ` +
      `refused ${report.refused} requests with Retry-After.`;
    return { peak, note };
  });
}

async function publish(fixture: HttpFixture, gateway: Program, events: number): Promise<void> {
  const report = await load(fixture, gateway, {
    connections: CONNECTIONS,
    durationMs: patienceMs(events),
    eventsMax: events,
  });
  if (report.differentAccepted !== events) {
    throw new WrongSubjectError(
      `The gateway accepted ${report.differentAccepted} of ${events} events (${report.firstFailure ?? 'refused'}).`,
    );
  }
}

function load(
  { environment }: HttpFixture,
  gateway: Program,
  amount: Pick<LoadOrder, 'connections' | 'durationMs' | 'eventsMax'>,
): Promise<LoadReport> {
  const order: LoadOrder = {
    url: gateway.url,
    path: '/publish',
    eventsPerRequest: EVENTS_PER_REQUEST,
    repeatShare: 0,
    idPrefix: newIdPrefix(),
    leadInMs: 0,
    ...amount,
  };
  return runToReport<LoadReport>(environment, 'load', 'bench/src/http/load.js', order);
}

async function untilSettled({ environment, gauge }: HttpFixture, events: number): Promise<void> {
  const { SEKALI_CONSUMER: consumer } = readGatewaySettings(environment.variables);
  const endsAt = performance.now() + patienceMs(events);
  for (;;) {
    const unsettled = await gauge.unsettled(consumer);
    if (unsettled === 0) return;
    if (performance.now() > endsAt)
      throw new WrongSubjectError(`The worker left ${unsettled} events unsettled.`);
    await pause(POLL_MS);
  }
}

function patienceMs(events: number): number {
  return PATIENCE_MS_MIN + (events / EVENTS_PER_SECOND_MIN) * 1_000;
}

function asSeries({ subject, mb }: Peak): Series {
  return { role: 'ours', subject, unit: 'MB', values: [mb] };
}

function asBound({ subject, mb }: Peak): Bound {
  return { what: subject, unit: 'MB', found: mb, atMost: RESIDENT_MB_MAX };
}
