/**
 * The effect of the consumer `accounts`, which adds up amounts in one account for each topic.
 *
 * The judge needs it because a sum shows an effect that took place twice or not at all. A row that was merely written
 * again would not. Amounts that were added outside the transaction of the inbox make the sum wrong.
 */
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { SekaliEvent } from '#contracts';
import { BatchContext, type Message, OncePerEvent } from '#idempotent-consumer';
import type { Queryable } from '#store';

/** The name of this effect's durable consumer. */
export const ACCOUNTS_CONSUMER = 'accounts';

const ACCOUNTS_LOCK = 7_365_100;

// One query of several statements is one transaction. With IF NOT EXISTS alone, one of two that run at once fails.
const CREATE_ACCOUNTS = `
SELECT pg_advisory_xact_lock(${ACCOUNTS_LOCK});
CREATE SCHEMA IF NOT EXISTS chaos;
CREATE TABLE IF NOT EXISTS chaos.account (
  topic text COLLATE "C" PRIMARY KEY,
  amount bigint NOT NULL,
  events bigint NOT NULL
)`;

// Sorted, so that two workers take the rows in the same order and cannot deadlock.
const ADD_AMOUNTS = `
INSERT INTO chaos.account AS account (topic, amount, events)
SELECT input.topic, sum(input.amount), count(*)
FROM unnest($1::text[], $2::bigint[]) AS input (topic, amount)
GROUP BY input.topic ORDER BY input.topic COLLATE "C"
ON CONFLICT (topic) DO UPDATE SET
  amount = account.amount + excluded.amount,
  events = account.events + excluded.events`;

/** Creates the schema and the table of the accounts where they are missing. Any number of workers may do it at once. */
export async function createAccounts(database: Queryable): Promise<void> {
  await database.query(CREATE_ACCOUNTS);
}

/** Adds the amount of each event to the account of its topic. */
@Controller()
export class AccountKeeper {
  @OncePerEvent(ACCOUNTS_CONSUMER, { batch: true })
  async add(@Payload() fresh: Message<SekaliEvent>[], @Ctx() context: BatchContext): Promise<void> {
    await context.transaction.query(ADD_AMOUNTS, [
      fresh.map(({ topic }) => topic),
      fresh.map(({ event }) => amountOf(event)),
    ]);
  }
}

/** @returns the payload's `amount`, or 0 where it is not an integer; such an event is still counted */
function amountOf({ payload }: SekaliEvent): number {
  const { amount } = JSON.parse(payload) as { amount?: unknown };
  return Number.isSafeInteger(amount) ? (amount as number) : 0;
}
