/**
 * Begins replays and drops of dead letters.
 *
 *   begin (a row with the next number) ─▶ publish under the number of the action ─▶ note where the brokers have it
 *
 * The row comes first, with the message that will be published. So a crash before the note leaves a replay that any
 * gateway can go on with: it publishes the same message under the same message id, and the brokers drop the repeat.
 * Two clients cannot begin the same action, because the next number exists once.
 */
import { bigintColumn, textColumn, type Queryable } from '#postgres';
import type { DeadLetterReference } from './dead-letter-reference.js';

/** Who acts, and why. */
export interface Actor {
  readonly keyId: string | undefined;
  readonly keyName: string | undefined;
  readonly reason: string | undefined;
}

/** A dead letter to act on. */
export interface ActionTarget {
  readonly reference: DeadLetterReference;
  /** The number of actions that the decision knows of. */
  readonly actions: number;
}

/** A replay to begin. */
export interface ReplayTarget extends ActionTarget {
  readonly topic: string;
  readonly eventId: string;
  /** What is published; null for the message as it came. */
  readonly body: Buffer | null;
}

/** An action that was begun, as an index into the targets. */
export interface BegunAction {
  readonly index: number;
  readonly actionId: string;
}

const BEGIN = `
WITH target AS (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::integer[], $5::text[], $6::text[], $7::bytea[])
    WITH ORDINALITY AS input (consumer, seq, published_at, actions, topic, event_id, body, position)
), begun AS (
  INSERT INTO sekali.dead_letter_action
    (consumer, seq, published_at, number, kind, key_id, key_name, reason, topic, event_id, body)
  SELECT consumer, seq, published_at, actions + 1, $8, $9, $10, $11, topic, event_id, body
  FROM target ORDER BY consumer, seq, published_at
  ON CONFLICT DO NOTHING
  RETURNING action_id, consumer, seq, published_at
)
SELECT action_id AS "actionId", (position - 1)::integer AS index
FROM begun JOIN target USING (consumer, seq, published_at)`;

const NOTE_REPLAYED = `
UPDATE sekali.dead_letter_action SET replay_seq = input.seq, replayed_at = now()
FROM unnest($1::uuid[], $2::bigint[]) AS input (action_id, seq)
WHERE dead_letter_action.action_id = input.action_id AND replay_seq IS NULL`;

/**
 * Begins replays.
 *
 * @returns those that were begun; the others were acted on meanwhile
 */
export async function beginReplays(
  database: Queryable,
  actor: Actor,
  targets: readonly ReplayTarget[],
): Promise<BegunAction[]> {
  return begin(database, 'replay', actor, targets);
}

/**
 * Drops dead letters. Their rows stay, so that every sequence keeps its end.
 *
 * @returns those that were dropped; the others were acted on meanwhile
 */
export async function dropDeadLetters(
  database: Queryable,
  actor: Actor & { readonly reason: string },
  targets: readonly ActionTarget[],
): Promise<BegunAction[]> {
  return begin(database, 'drop', actor, targets);
}

/** Notes where the brokers have replays. A second note about the same action changes nothing. */
export async function noteReplayed(
  database: Queryable,
  replays: readonly { readonly actionId: string; readonly seq: number }[],
): Promise<void> {
  if (replays.length === 0) return;
  await database.query(NOTE_REPLAYED, [
    replays.map(({ actionId }) => actionId),
    bigintColumn(replays.map(({ seq }) => seq)),
  ]);
}

async function begin(
  database: Queryable,
  kind: 'replay' | 'drop',
  { keyId, keyName, reason }: Actor,
  targets: readonly (ActionTarget & Partial<ReplayTarget>)[],
): Promise<BegunAction[]> {
  if (targets.length === 0) return [];
  const { rows } = await database.query<BegunAction & Record<string, unknown>>(BEGIN, [
    textColumn(targets.map(({ reference }) => reference.consumer)),
    bigintColumn(targets.map(({ reference }) => reference.seq)),
    targets.map(({ reference }) => new Date(reference.publishedMs).toISOString()),
    targets.map(({ actions }) => actions),
    targets.map(({ topic }) => topic ?? null),
    targets.map(({ eventId }) => eventId ?? null),
    targets.map(({ body }) => body ?? null),
    kind,
    keyId ?? null,
    keyName ?? null,
    reason ?? null,
  ]);
  return rows;
}
