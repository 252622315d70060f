/**
 * The baseline for one event per request: Fastify and `js.publish`, as plain as possible.
 *
 * It checks nothing, retries nothing and bounds nothing. It only answers after the brokers have the event.
 */
import { jetstream } from '@nats-io/jetstream';
import { fastify } from 'fastify';
import { connectBroker } from '#broker';
import { readGatewaySettings } from '#config';
import { announce } from './program-run.js';

interface PlainEvent {
  readonly topic: string;
  readonly event_id: string;
}

const settings = readGatewaySettings();
const connection = await connectBroker(
  { urls: settings.SEKALI_NATS_URLS, name: 'baseline-http' },
  { waitForFirst: true },
);
const client = jetstream(connection);
const server = fastify();

server.post<{ Body: PlainEvent }>('/publish', async ({ body }, reply) => {
  const { seq, duplicate } = await client.publish(
    `${settings.SEKALI_SUBJECT_PREFIX}.${body.topic}`,
    JSON.stringify(body),
    { msgID: `${body.topic}:${body.event_id}` },
  );
  return reply.code(202).send({ accepted: 1, seq, duplicate });
});

announce(await server.listen({ host: '127.0.0.1', port: 0 }));
