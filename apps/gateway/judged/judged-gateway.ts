/**
 * A gateway that is wrong in one way, which the judge must find, or its verdicts mean nothing.
 *
 *   node dist/apps/gateway/judged/judged-gateway.js answer-before-puback
 *
 * A name that is none ends it with 2.
 */
import 'reflect-metadata';
import { runGateway } from '../src/bootstrap.js';
import type { PublisherChange } from '../src/gateway.js';

const PUBLISH_AFTER_MS = 200;

/**
 * The mistake: accepting into a queue in memory, to be published in the background. Whoever dies before the brokers
 * have it, or is refused by them, has said `202` for nothing. There is no sequence yet, so results have 0, which no
 * message has.
 */
const answerBeforePubAck: PublisherChange = (publisher) => ({
  publishAll: (events) => {
    setTimeout(() => void publisher.publishAll(events), PUBLISH_AFTER_MS);
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
    `judged-gateway: "${name}" is no sabotage; there is ${[...SABOTAGES.keys()].join(', ')}\n`,
  );
  process.exit(2);
}
await runGateway(sabotage);
