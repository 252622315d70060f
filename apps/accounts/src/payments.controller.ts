/** `POST /payments`: takes a payment and adds its event, in one transaction. */
import {
  BadRequestException,
  Body,
  ConflictException,
  Controller,
  Get,
  HttpCode,
  Inject,
  Post,
  ServiceUnavailableException,
} from '@nestjs/common';
import type { Pool } from 'pg';
import { z } from 'zod';
import { OutboxRelay } from '#idempotent-consumer/producer';
import { isUnavailable, transact } from '#postgres';
import { Payment } from './balances.js';
import { PAYMENT_TOPIC, paymentOutbox } from './payment-outbox.js';

/** The token of the pool. */
export const POOL = Symbol('the pool of payments');

/** A payment as a client sends it. One that sends it again after a lost answer gives the same id. */
const Request = Payment.extend({ id: z.string().regex(/^[A-Za-z0-9_-]{1,100}$/) });

const TAKE = `
INSERT INTO accounts.payment (id, account, amount) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING RETURNING id`;
const TAKEN = 'SELECT FROM accounts.payment WHERE id = $1 AND account = $2 AND amount = $3';

/** What becomes of a payment. */
export interface TakenPayment {
  readonly id: string;
  /** Whether it was taken before, so that this request changed nothing. */
  readonly repeated: boolean;
}

/** Takes payments. Each is one row and one event, or neither. */
@Controller()
export class PaymentsController {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @Inject(OutboxRelay) private readonly relay: OutboxRelay,
  ) {}

  @Post('payments')
  @HttpCode(200)
  async take(@Body() body: unknown): Promise<TakenPayment> {
    const read = Request.safeParse(body);
    if (!read.success) throw new BadRequestException(z.prettifyError(read.error));
    const { id, account, amount } = read.data;
    const repeated = await transact(this.pool, async (database) => {
      const { rowCount } = await database.query(TAKE, [id, account, amount]);
      if (rowCount === 0) {
        if ((await database.query(TAKEN, [id, account, amount])).rowCount === 1) return true;
        throw new ConflictException(
          `payment ${id} was taken with another account or amount: choose another id`,
        );
      }
      await paymentOutbox.add(database, { topic: PAYMENT_TOPIC, id, payload: { account, amount } });
      return false;
    }).catch((error: unknown) => {
      if (isUnavailable(error))
        throw new ServiceUnavailableException('Postgres does not answer: send it again');
      throw error;
    });
    return { id, repeated };
  }

  /** Whether events of payments get on. */
  @Get('health/ready')
  ready(): { status: string } {
    const { state } = this.relay.health();
    if (state === 'failing') throw new ServiceUnavailableException('the relay does not reach Postgres');
    return { status: state };
  }
}
