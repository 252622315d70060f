/**
 * The time from just before an event is sent over HTTP until its row is committed in Postgres, at a steady rate.
 *
 * Alternate rounds measure a PubAck and a one-row insert, each alone. No path can be faster than these two together. A
 * request has one event. Above 1,000 events a second it has ten, as it would from a producer with this rate.
 */
import { readGatewaySettings } from '#config';
import { HttpFixture } from '../http/fixture.js';
import type { OnRound } from '../http/subjects.js';
import { quantile } from '../http/latencies.js';
import { runToReport } from '../http/program-run.js';
import { leadIn, newIdPrefix } from '../http/subjects.js';
import { interleave, median, type Bound, type Group, type Series } from '../measurement.js';
import type { Program } from '../environment/program.js';
import type { Environment } from '../environment/environment.js';
import type { Sizes } from '../sizes.js';
import { WrongSubjectError } from '../wrong-subject.js';
import { CommitWatch } from './commit-watch.js';
import type { OfferOrder, OfferReport } from './offer.js';
import { PartsAlone } from './parts-alone.js';
import { storedAfter } from './stored-events.js';

/** Above this rate, events are sent in small batches. */
const SINGLE_RATE_MAX = 1_000;
const SMALL_BATCH = 10;
/** The rate for which there is a target. */
const TARGET_RATE = 1_000;
const MEDIAN_ABOVE_PARTS_MS_MAX = 25;
const P99_MS_MAX = 150;
/** A part alone is measured for this share of a round. */
const PART_SHARE = 0.2;
const STORED_MS_MAX = 30_000;

const unit = 'ms';

/** The figures of one round. */
interface Latency {
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** What is offered. */
interface Offer {
  readonly ratePerSecond: number;
  readonly eventsPerRequest: number;
  readonly durationMs: number;
}

/** Measures at one rate. Throws when an accepted event was not stored. */
export async function measureEndToEnd(
  environment: Environment,
  sizes: Sizes,
  ratePerSecond: number,
  onRound: OnRound = () => undefined,
): Promise<Group> {
  const eventsPerRequest = ratePerSecond > SINGLE_RATE_MAX ? SMALL_BATCH : 1;
  const offer = { ratePerSecond, eventsPerRequest, durationMs: sizes.endToEndRoundMs };
  const partMs = sizes.endToEndRoundMs * PART_SHARE;
  const series = await HttpFixture.whileOpen(environment, async (fixture) => {
    await fixture.worker();
    const gateway = await fixture.gateway();
    const parts = await PartsAlone.on(environment, fixture.pool);
    const rounds: Latency[] = [];
    const measureWhole = async (): Promise<number> => {
      const latency = await measureRound(fixture, gateway, offer);
      rounds.push(latency);
      return latency.medianMs;
    };
    const whole = { subject: 'HTTP to row committed', measure: measureWhole };
    const pubAck = { subject: 'PubAck alone', measure: () => parts.pubAckMs(partMs) };
    const insert = { subject: 'one-row insert alone', measure: () => parts.insertMs(partMs) };
    try {
      const values = await interleave([whole, pubAck, insert], sizes, ({ subject }, round, value) =>
        onRound(subject, round, value),
      );
      return seriesOf(rounds.slice(sizes.warmUps), values.get(pubAck) ?? [], values.get(insert) ?? []);
    } finally {
      await parts.close();
    }
  });
  return {
    name: `end-to-end-${ratePerSecond}`,
    what: `HTTP to row committed, ${ratePerSecond.toLocaleString('en')} events/s offered`,
    series,
    targets: [],
    bounds: ratePerSecond === TARGET_RATE ? boundsOf(series) : [],
    notes: [`Sent ${eventsPerRequest === 1 ? 'one event' : `${eventsPerRequest} events`} a request.`],
  };
}

/** The first series of ours is the median, the first of the ceilings is both parts together. Those two are compared. */
function seriesOf(
  rounds: readonly Latency[],
  pubAck: readonly number[],
  insert: readonly number[],
): Series[] {
  const medians = rounds.map(({ medianMs }) => medianMs);
  const tails = rounds.map(({ p99Ms }) => p99Ms);
  const both = pubAck.map((ms, round) => ms + (insert[round] ?? Number.NaN));
  return [
    { role: 'ours', subject: 'HTTP to row committed, median', unit, values: medians },
    { role: 'ours', subject: 'HTTP to row committed, p99', unit, values: tails },
    { role: 'ceiling', subject: 'PubAck + one-row insert', unit, values: both },
    { role: 'ceiling', subject: 'PubAck alone', unit, values: pubAck },
    { role: 'ceiling', subject: 'one-row insert alone', unit, values: insert },
  ];
}

function boundsOf([middle, tail, parts]: readonly Series[]): Bound[] {
  const of = (one: Series | undefined): number => median(one?.values ?? []);
  return [
    {
      what: 'median above PubAck + insert',
      unit,
      found: of(middle) - of(parts),
      atMost: MEDIAN_ABOVE_PARTS_MS_MAX,
    },
    { what: 'p99', unit, found: of(tail), atMost: P99_MS_MAX },
  ];
}

async function measureRound(fixture: HttpFixture, gateway: Program, offer: Offer): Promise<Latency> {
  const { environment, gauge, pool } = fixture;
  const afterSeq = await gauge.lastSequence();
  const watch = CommitWatch.start(pool);
  try {
    const report = await offerEvents(environment, gateway, offer);
    const rows = await storedAfter(pool, {
      stream: readGatewaySettings(environment.variables).SEKALI_STREAM,
      afterSeq,
      expected: report.accepted,
      timeoutMs: STORED_MS_MAX,
    });
    await watch.stop();
    const latencies = rows
      .filter(({ sentAtUs }) => sentAtUs >= report.measuredFromUs)
      .map(({ sentAtUs, transaction }) => (watch.committedAtUs(transaction) - sentAtUs) / 1_000);
    return { medianMs: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) };
  } finally {
    await watch.stop();
  }
}

async function offerEvents(environment: Environment, gateway: Program, offer: Offer): Promise<OfferReport> {
  const order: OfferOrder = {
    ...offer,
    url: gateway.url,
    idPrefix: newIdPrefix(),
    leadInMs: leadIn(offer.durationMs),
  };
  const script = 'bench/src/end-to-end/offered-load.js';
  const report = await runToReport<OfferReport>(environment, 'offered-load', script, order);
  if (report.failed > 0) {
    throw new WrongSubjectError(`${report.failed} requests failed (${report.firstFailure ?? 'no reason'}).`);
  }
  return report;
}
