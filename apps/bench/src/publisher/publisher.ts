/**
 * Events that a service publishes by itself, with the library's publisher. It is compared with the client's own
 * `js.publish` with as many events in flight, which neither writes an event nor checks one.
 */
import type { Environment } from '../environment/environment.js';
import { HttpFixture } from '../http/fixture.js';
import { checkedSubject, inStream, measureRounds, type OnRound, publishRound } from '../http/subjects.js';
import type { Group } from '../measurement.js';
import type { Sizes } from '../sizes.js';

/** Events in flight, and the least speed next to the baseline. A single event has no other to share a round with. */
export const PUBLISHER_LOADS = [
  { inFlight: 1, atLeast: 0.9 },
  { inFlight: 64, atLeast: 1 },
  { inFlight: 1_000, atLeast: 1 },
] as const;

/** Measures one load. Throws `WrongSubjectError` when events that a subject accepted are missing. */
export async function measurePublisher(
  environment: Environment,
  sizes: Sizes,
  { inFlight, atLeast }: (typeof PUBLISHER_LOADS)[number],
  onRound: OnRound,
): Promise<Group> {
  const unit = 'events/s';
  const durationMs = sizes.httpRoundMs;
  const series = await HttpFixture.whileOpen(environment, async ({ gauge }) => {
    const stream = inStream(gauge);
    const subjects = [
      checkedSubject({ role: 'ours', subject: 'EventPublisher', unit }, stream, () =>
        publishRound(environment, { durationMs, inFlight, script: 'bench/src/publisher/library-publish.js' }),
      ),
      checkedSubject({ role: 'ceiling', subject: 'baseline: js.publish', unit }, stream, () =>
        publishRound(environment, { durationMs, inFlight }),
      ),
    ];
    return measureRounds(subjects, sizes, onRound);
  });
  const what = inFlight === 1 ? 'one event at a time' : `${inFlight.toLocaleString('en')} events in flight`;
  return {
    name: `publisher-${inFlight}`,
    what: `a publisher over NATS, ${what}`,
    series,
    targets: [{ against: 'ceiling', atLeast }],
  };
}
