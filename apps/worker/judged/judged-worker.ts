/**
 * The worker that the judge runs against: an ordinary one that keeps the judge's accounts as well.
 *
 *   node dist/apps/worker/judged/judged-worker.js              right
 *   node dist/apps/worker/judged/judged-worker.js <sabotage>   wrong in one way, which the judge must find: sabotage.ts
 *
 * A name that is none ends it with 2.
 */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { readWorkerSettings } from '#config';
import { AccountKeeper, ACCOUNTS_CONSUMER, makeAccounts } from './account-keeper.js';
import { endWith, runWorker } from '../src/bootstrap.js';
import { EventRecorder } from '../src/event-recorder.js';
import type { WorkerTransport } from '../src/transport-options.js';
import { type Sabotage, SABOTAGES } from './sabotage.js';

const [, , name] = process.argv;
const sabotage = name === undefined ? {} : SABOTAGES.get(name);
if (sabotage === undefined) {
  const names = [...SABOTAGES.keys()].join(', ');
  process.stderr.write(`judged-worker: "${name ?? ''}" is no sabotage; there are ${names}\n`);
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

/** Prepared like an inbox, before each session: then an outage at the start is waited for. */
function withAccounts(options: WorkerTransport): WorkerTransport {
  return {
    ...options,
    prepare: async (pattern) => {
      await options.prepare(pattern);
      if (pattern === ACCOUNTS_CONSUMER) await makeAccounts(options.pool);
    },
  };
}
