/** A keyed gateway over dead letters that a test adds as a consumer would, and a client for each key. */
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type ApiKeyScope, type DeadLetterView } from '#contracts';
import { jetstreamManager } from '@nats-io/jetstream';
import { streamIdentity } from '#broker';
import { insertApiKeys, SEKALI_LEDGER } from '#store';
import { createTestSystem, type TestSystem } from '#testing';
import { RunningGateway, type Answered } from './running-gateway.js';

/** A message that was given up. Each member has a default. */
export interface GivenUp {
  readonly seq: number;
  readonly topic?: string;
  readonly eventId?: string | null;
  readonly subject?: string;
  readonly reason?: string;
  readonly detail?: string;
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  readonly body?: string | Buffer;
  readonly table?: string;
}

/** A request with the key of an operator. */
export type Client = (path: string, body?: unknown) => Promise<Answered>;

/** The rights of a key. The default is the scope admin for all topics. */
export interface GivenKey {
  readonly name: string;
  readonly scopes?: readonly ApiKeyScope[];
  readonly topics?: readonly string[];
}

/** A gateway that asks for keys, and its system. */
export class DeadLetterFixture {
  private constructor(
    readonly system: TestSystem,
    readonly gateway: RunningGateway,
    readonly streamId: number,
    private readonly tokens: ReadonlyMap<string, string>,
  ) {}

  static async start(...keys: readonly GivenKey[]): Promise<DeadLetterFixture> {
    return DeadLetterFixture.startWith({}, ...keys);
  }

  /** The same with further settings of the gateway, and perhaps over an earlier incarnation of the stream. */
  static async startWith(
    {
      settings = {},
      identity,
    }: { readonly settings?: Readonly<Record<string, string>>; readonly identity?: string },
    ...keys: readonly GivenKey[]
  ): Promise<DeadLetterFixture> {
    const system = await createTestSystem({ replicas: 1, settings });
    const tokens = new Map<string, string>();
    for (const key of keys) tokens.set(key.name, await addKey(system, key));
    const environment = { ...system.environment, SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' };
    const gateway = await RunningGateway.start(environment);
    const { connection, pool, streamName: name } = system;
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const current = streamIdentity(await manager.streams.info(name));
    const ledger = { name, identity: identity ?? current };
    const { streamId } = await SEKALI_LEDGER.registry.of(pool, ledger);
    return new DeadLetterFixture(system, gateway, streamId, tokens);
  }

  /** The token of a key. */
  tokenOf(name: string): string | undefined {
    return this.tokens.get(name);
  }

  /** Returns a client with a key. Its request with a body is a POST of JSON. */
  client(name: string): Client {
    const authorization = `Bearer ${this.tokens.get(name) ?? ''}`;
    return (path, body) =>
      this.gateway.get(
        path,
        body === undefined
          ? { headers: { authorization } }
          : {
              method: 'POST',
              headers: { authorization, 'content-type': 'application/json' },
              body: typeof body === 'string' ? body : JSON.stringify(body),
            },
      );
  }

  /** Adds dead letters. */
  async giveUp(...given: readonly GivenUp[]): Promise<void> {
    for (const one of given) {
      const { seq, topic = 'orders', eventId = `e-${seq}`, reason = 'not_json', detail = 'no' } = one;
      const subject = one.subject ?? `${this.system.subjectPrefix}.${topic}`;
      const headers = one.headers === undefined ? null : JSON.stringify(one.headers);
      await this.system.pool.query(
        `INSERT INTO sekali.${one.table ?? 'dead_letter'}
           (stream_id, seq, topic, event_id, subject, reason, detail, headers, body, deliveries, published_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10)`,
        [
          ...[this.streamId, seq, topic, eventId, subject, reason, detail, headers],
          ...[Buffer.from(one.body ?? '{'), new Date(PUBLISHED_MS + seq)],
        ],
      );
    }
  }

  /** The id of a dead letter of the consumer `store`. */
  idOf(seq: number): string {
    return `store.${seq}.${PUBLISHED_MS + seq}`;
  }
}

const PUBLISHED_MS = Date.parse('2026-11-22T10:00:00Z');

async function addKey({ pool }: TestSystem, { name, scopes = ['admin'], topics }: GivenKey): Promise<string> {
  const token = newApiKeyToken();
  await insertApiKeys(pool, [
    { key_id: apiKeyIdOf(token) ?? '', name, scopes, topics: topics ?? null, hash: apiKeyHash(token) },
  ]);
  return token;
}

/** The dead letters of a page. */
export function lettersOf(answered: Answered): DeadLetterView[] {
  if (answered.status !== 200) throw new Error(answered.text);
  return JSON.parse(answered.text) as DeadLetterView[];
}

/** Follows the links from a page to the last one. */
export async function allPages(client: Client, path: string): Promise<DeadLetterView[]> {
  const found: DeadLetterView[] = [];
  for (let next: string | undefined = path; next !== undefined;) {
    const page = await client(next);
    found.push(...lettersOf(page));
    next = /^<https?:\/\/[^/]+(\/.*)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1];
  }
  return found;
}
