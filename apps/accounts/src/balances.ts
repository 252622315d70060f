/** The effect of the consumer `balances`: each payment changes the balance of its account, once. */
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { z } from 'zod';
import { BatchContext, type Message, OncePerEvent } from '#idempotent-consumer';

/** Name of the durable consumer that this effect belongs to, and of its inbox. */
export const BALANCES = 'balances';

/** The subjects of payments, without the prefix that all subjects of the stream have. */
export const PAYMENTS = 'payments.>';

/** The payload of a payment. An event with any other is a dead letter, which names the member that is wrong. */
export const Payment = z.object({
  account: z.string().min(1).max(100),
  /** In the smallest unit of its currency. A refund is negative. */
  amount: z.int(),
});

/** A payment. */
export type Payment = z.infer<typeof Payment>;

// One statement changes the rows in the order of their keys. So transactions that change the same rows wait for each
// other, and never in a circle.
const ADD = `
INSERT INTO accounts.balance AS balance (account, amount, payments)
SELECT account, sum(amount), count(*) FROM unnest($1::text[], $2::bigint[]) AS payment (account, amount)
GROUP BY account ORDER BY account
ON CONFLICT (account) DO UPDATE
SET amount = balance.amount + EXCLUDED.amount, payments = balance.payments + EXCLUDED.payments`;

/** Keeps the balances. */
@Controller()
export class Balances {
  @OncePerEvent(BALANCES, { batch: true, subjects: PAYMENTS, schema: Payment })
  async apply(@Payload() fresh: Message<Payment>[], @Ctx() { transaction }: BatchContext): Promise<void> {
    const payments = fresh.map(({ event }) => event);
    await transaction.query(ADD, [
      payments.map(({ account }) => account),
      payments.map(({ amount }) => amount),
    ]);
  }
}
