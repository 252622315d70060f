/**
 * A gateway with one deliberate fault, which the judge must find. Otherwise its verdicts mean nothing.
 *
 *   node dist/apps/gateway/judged/judged-gateway.js answer-before-puback
 *
 * An unknown name ends it with 2.
 */
import 'reflect-metadata';
import { runGateway } from '../src/bootstrap.js';
import type { Sabotage } from '../src/gateway.js';

const PUBLISH_AFTER_MS = 200;

/**
 * The fault: events are accepted into a queue in memory and published in the background. If the process dies first, or
 * the brokers refuse, its `202` was false. There is no sequence yet, so results have 0, which no message has.
 */
const answerBeforePubAck: Sabotage = {
  publisher: (publisher) => ({
    publishAll: (events, origin) => {
      setTimeout(() => void publisher.publishAll(events, origin), PUBLISH_AFTER_MS);
      return Promise.resolve(events.map(() => ({ status: 'accepted', seq: 0 })));
    },
  }),
};

/** The fault: `POST /_bulk` says of items that the brokers did not take that they were created. Other doors are right. */
const bulkHidesRefusals: Sabotage = {
  parts: (parts) => ({
    ...parts,
    bulk: {
      publish: async (request) => {
        const answer = Buffer.concat(await parts.bulk.publish(request)).toString();
        const { items, ...others } = JSON.parse(answer) as { items: Readonly<Record<string, BulkItem>>[] };
        return [Buffer.from(JSON.stringify({ ...others, items: items.map(created) }))];
      },
    },
  }),
};

interface BulkItem {
  readonly status: number;
  readonly error?: unknown;
}

/** An item as it is, or as created when it was refused for now. */
function created(named: Readonly<Record<string, BulkItem>>): unknown {
  const [[action, item] = ['', { status: 0 }]] = Object.entries(named);
  if (item.status !== 429) return named;
  return { [action]: { ...item, error: undefined, status: 201, result: 'created' } };
}

const SABOTAGES: ReadonlyMap<string, Sabotage> = new Map([
  ['answer-before-puback', answerBeforePubAck],
  ['bulk-hides-refusals', bulkHidesRefusals],
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
