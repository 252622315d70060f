/** The baseline for many events per request: one client and bounded `js.publish`, without any HTTP. */
import { jetstream } from '@nats-io/jetstream';
import { EventBody, eventIdOfNumber, topicOfNumber } from './event-body.js';
import { publishOverLanes } from './publish-lanes.js';

await publishOverLanes('baseline-publish', (connection, settings, { idPrefix }) => {
  const client = jetstream(connection);
  return () => {
    const body = new EventBody(idPrefix, 1, 'object');
    return async (number) => {
      const topic = topicOfNumber(number);
      body.write(0, number);
      await client.publish(`${settings.SEKALI_SUBJECT_PREFIX}.${topic}`, body.bytes, {
        msgID: `${topic}:${eventIdOfNumber(idPrefix, number)}`,
      });
    };
  };
});
