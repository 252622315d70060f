/** The effect of the consumer `store`, which makes each event a row. */
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { SekaliEvent } from '#contracts';
import { BatchContext, type Message, OncePerEvent } from '#idempotent-consumer';
import type { Comparison } from '#idempotent-consumer/parts';
import { findConflicts, insertEvents, type NewEvent } from '#store';

/** The name of this effect's durable consumer. */
export const STORE_CONSUMER = 'store';

/** Stores the events that were never stored before. */
@Controller()
export class EventRecorder {
  @OncePerEvent(STORE_CONSUMER, { batch: true })
  async record(@Payload() fresh: Message<SekaliEvent>[], @Ctx() context: BatchContext): Promise<void> {
    const { transaction } = context;
    await insertEvents(transaction, transaction.streamId, fresh.map(newEvent));
  }
}

/** Postgres compares duplicates as JSON values. The payload of a conflict is kept. */
export const payloadComparison: Comparison<SekaliEvent> = {
  findConflicts: (candidates, transaction) => findConflicts(transaction, candidates.map(newEvent)),
  contentOf: (message) => message.event.payload,
};

/** The row of a message. */
export function newEvent({ delivery, event }: Message<SekaliEvent>): NewEvent {
  return { seq: delivery.seq, publishedAt: delivery.publishedAt, event };
}
