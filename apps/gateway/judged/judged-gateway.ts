/**
 * A gateway with one deliberate fault, which the judge must find. Otherwise its verdicts mean nothing.
 *
 *   node dist/apps/gateway/judged/judged-gateway.js answer-before-puback
 *
 * An unknown name ends it with 2.
 */
import 'reflect-metadata';
import { runGateway } from '../src/bootstrap.js';
import type { PublisherChange } from '../src/gateway.js';

const PUBLISH_AFTER_MS = 200;

/**
 * The fault: events are accepted into a queue in memory and published in the background. If the process dies first, or
 * the brokers refuse, its `202` was false. There is no sequence yet, so results have 0, which no message has.
 */
const answerBeforePubAck: PublisherChange = (publisher) => ({
  publishAll: (events, origin) => {
    setTimeout(() => void publisher.publishAll(events, origin), PUBLISH_AFTER_MS);
    return Promise.resolve(events.map(() => ({ status: 'accepted', seq: 0 })));
  },
});

const SABOTAGES: ReadonlyMap<string, PublisherChange> = new Map([
  ['answer-before-puback', answerBeforePubAck],
]);

const name = process.argv[2] ?? '';
const sabotage = SABOTAGES.get(name);
if (sabotage === undefined) {
  process.stderr.write(
    `judged-gateway: "${name}" is not a sabotage; there is ${[...SABOTAGES.keys()].join(', ')}\n`,
  );
  process.exit(2);
}
await runGateway(sabotage);
