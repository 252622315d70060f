/**
 * The worker that the judge tests: an ordinary worker that also keeps the judge's accounts.
 *
 *   node dist/apps/worker/judged/judged-worker.js              correct
 *   node dist/apps/worker/judged/judged-worker.js <sabotage>   has one fault, which the judge must find: sabotage.ts
 *
 * An unknown name ends it with 2.
 */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { readWorkerSettings } from '#config';
import { AccountKeeper, ACCOUNTS_CONSUMER, createAccounts } from './account-keeper.js';
import { endWith, runWorker } from '../src/bootstrap.js';
import { EventRecorder } from '../src/event-recorder.js';
import type { WorkerTransport } from '../src/transport-options.js';
import { type Sabotage, SABOTAGES } from './sabotage.js';

const [, , name] = process.argv;
const sabotage = name === undefined ? {} : SABOTAGES.get(name);
if (sabotage === undefined) {
  const names = [...SABOTAGES.keys()].join(', ');
  process.stderr.write(`judged-worker: "${name ?? ''}" is not a sabotage; there are ${names}\n`);
  process.exit(2);
}
run(sabotage).catch(endWith);

async function run({ effects, transport }: Sabotage): Promise<void> {
  const settings = readWorkerSettings();

  @Module({ controllers: effects?.(settings) ?? [EventRecorder, AccountKeeper] })
  class JudgedModule {}

  await runWorker(settings, JudgedModule, (options, connection) => {
    const judged = withAccounts(options);
    return transport?.(judged, connection) ?? judged;
  });
}

/** Prepares the accounts like an inbox, before each session, so that the worker waits for an outage at the start. */
function withAccounts(options: WorkerTransport): WorkerTransport {
  return {
    ...options,
    prepare: async (pattern) => {
      await options.prepare(pattern);
      if (pattern === ACCOUNTS_CONSUMER) await createAccounts(options.pool);
    },
  };
}
