/** A gateway with a few events, dead letters and keys, and requests to it that its own description gives. */
import { createHmac } from 'node:crypto';
import { newApiKeyToken, newWebhookSecret, newWebhookSecretId, WEBHOOK_HEADERS } from '#contracts';
import { insertWebhookSecret } from '#store';
import type { OpenApiDocument } from '../../description/openapi.js';
import { DeadLetterFixture } from '../dead-letter-fixture.js';
import type { Answered, RunningGateway } from '../running-gateway.js';
import { DescribedAnswers } from './described-answers.js';
import { DescribedRequests } from './described-requests.js';
import { DescribedSchemas } from './described-schemas.js';
import type { DescribedRequest } from './request-faults.js';

const TOPIC = 'orders.created';
const BODY_BYTES_MAX = 65_536;
const DEAD_LETTERS = 40;
const EVENTS = ['o-1', 'o-2', 'a/b', ' ü'];
const SECRET = newWebhookSecret('github');
const STORE = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT $2, id, $1, seq, 0 FROM unnest($3::text[]) WITH ORDINALITY AS new (id, seq)
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, $2, id, 'checkout', '2026-11-22T10:00:00Z', '{"total": 12.5}', now()
FROM unnest($3::text[]) WITH ORDINALITY AS new (id, seq)`;

/** A running system. */
export class DescribedSystem {
  private constructor(
    private readonly fixture: DeadLetterFixture,
    /** Ids of dead letters. The first can be replayed, and the second cannot. */
    readonly letters: readonly string[],
    readonly requests: DescribedRequests,
    readonly answers: DescribedAnswers,
  ) {}

  get gateway(): RunningGateway {
    return this.fixture.gateway;
  }

  /** The environment of another gateway of the system. */
  get environment(): Readonly<Record<string, string>> {
    return this.fixture.system.environment;
  }

  static async start(): Promise<DescribedSystem> {
    const settings = {
      SEKALI_BODY_BYTES_MAX: String(BODY_BYTES_MAX),
      SEKALI_EVENT_BYTES_MAX: String(BODY_BYTES_MAX),
      SEKALI_TOPICS_MAX: '1000000',
      SEKALI_TOPICS_PER_KEY_MAX: '1000000',
    };
    const scopes = ['publish', 'read', 'admin'] as const;
    const fixture = await DeadLetterFixture.startWith(
      // The stream does not have the messages of the rows, so they are those of an earlier one.
      { settings, identity: 'earlier' },
      { name: 'all', scopes },
      { name: 'bound', scopes, topics: [TOPIC] },
      ...scopes.map((scope) => ({ name: scope, scopes: [scope] })),
    );
    const known = await seed(fixture);
    const document = JSON.parse((await fixture.gateway.get('/openapi.json')).text) as OpenApiDocument;
    const schemas = new DescribedSchemas(document);
    const requests = new DescribedRequests(document, schemas, known);
    return new DescribedSystem(
      fixture,
      known['DeadLetterId'] ?? [],
      requests,
      new DescribedAnswers(document, schemas),
    );
  }

  /** Sends a request. */
  async send(request: DescribedRequest): Promise<Answered> {
    const { method, headers, body, key } = request;
    return this.gateway.get(urlOf(request), {
      method,
      headers: { ...headers, ...this.keyHeaders(key) },
      ...(body !== undefined && { body: new Uint8Array(body) }),
    });
  }

  /** The header with a key. One that is not known here is not known to the gateway. */
  keyHeaders(key: string | undefined): Record<string, string> {
    return key === undefined ? {} : { 'x-api-key': this.fixture.tokenOf(key) ?? newApiKeyToken() };
  }

  /** The signature of GitHub for a delivery to the topic. */
  signatureOf(body: string): string {
    return `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
  }

  /** Drops the payload of an event, as its age would. Returns the event's id. */
  async dropPayload(): Promise<string> {
    const [id = ''] = EVENTS;
    await this.fixture.system.pool.query('DELETE FROM sekali.event WHERE event_id = $1', [id]);
    return id;
  }

  /** Says how the answer differs from its description. */
  error(request: DescribedRequest, answer: Answered): string | undefined {
    const error = this.answers.error({ method: request.method, url: urlOf(request) }, answer);
    return error === undefined ? undefined : `${request.method} ${urlOf(request)}: ${error}`;
  }
}

/** The address of a request. */
export function urlOf({ path, query }: DescribedRequest): string {
  const parameters = new URLSearchParams(
    query.map(([name, value]): [string, string] => [name, value]),
  ).toString();
  return parameters === '' ? path : `${path}?${parameters}`;
}

/** Adds events and dead letters, of which every other one can be replayed. */
async function seed(fixture: DeadLetterFixture): Promise<Record<string, string[]>> {
  await insertWebhookSecret(fixture.system.pool, {
    ...{ secret_id: newWebhookSecretId(), name: TOPIC, topic: TOPIC, provider: 'github', source: 'github' },
    ...{ secret: SECRET, tolerance_seconds: 300, headers: WEBHOOK_HEADERS.github, rules: null },
  });
  await fixture.system.pool.query(STORE, [fixture.streamId, TOPIC, EVENTS]);
  const seqs = Array.from({ length: DEAD_LETTERS }, (_, n) => EVENTS.length + 1 + n);
  const members = { timestamp: '2026-11-22T10:00:00Z', source: 'checkout', payload: {} };
  await fixture.giveUp(
    ...seqs.map((seq) => ({
      seq,
      topic: TOPIC,
      body: seq % 2 === EVENTS.length % 2 ? '{' : JSON.stringify({ ...members, event_id: `e-${seq}` }),
    })),
  );
  return { Topic: [TOPIC], EventId: EVENTS, DeadLetterId: seqs.map((seq) => fixture.idOf(seq)) };
}
