/**
 * A worker with one fault. Only tests start it.
 *
 *   kill-before-commit   ends itself (SIGKILL) in the transaction of its first batch
 *   kill-before-ack      ends itself between the commit of its first batch and the acks
 *   lose-acks            never sends the acks of its first batch
 *   none                 an ordinary worker
 *
 * With each of them, an event whose payload says `{"kill":true}` ends the process that applies it.
 */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { readWorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import { BatchContext, type Message, type Observer, OncePerEvent } from '#idempotent-consumer';
import { runWorker } from '../src/bootstrap.js';
import { EventRecorder, STORE_CONSUMER } from '../src/event-recorder.js';

const fault = process.argv[2] ?? 'none';

function killSelf(): void {
  process.kill(process.pid, 'SIGKILL');
}

@Controller()
class FaultyRecorder {
  private readonly recorder = new EventRecorder();

  @OncePerEvent(STORE_CONSUMER, { batch: true })
  async record(@Payload() fresh: Message<SekaliEvent>[], @Ctx() context: BatchContext): Promise<void> {
    await this.recorder.record(fresh, context);
    const poisonous = fresh.some(
      ({ event }) => (JSON.parse(event.payload) as { kill?: boolean }).kill === true,
    );
    if (poisonous || fault === 'kill-before-commit') killSelf();
  }
}

@Module({ controllers: [FaultyRecorder] })
class FaultyModule {}

let committed = 0;

function faultyObserver(observe: Observer): Observer {
  return (event) => {
    observe(event);
    if (event.type !== 'committed') return;
    committed++;
    process.send?.({ type: 'committed', seqs: event.seqs });
    if (fault === 'kill-before-ack') killSelf();
  };
}

await runWorker(readWorkerSettings(), FaultyModule, (options) => ({
  ...options,
  observerOf: (pattern) => faultyObserver(options.observerOf(pattern)),
  decode: (delivery) => {
    const ack = delivery.ack.bind(delivery);
    delivery.ack = (): void => {
      if (fault !== 'lose-acks' || committed > 1) ack();
    };
    return options.decode(delivery);
  },
}));
