/** Puts the history and what is read at the end before the checker. */
import { systemEnvironment } from '#config';
import { askAudit } from './audit-opinion.js';
import { Checker } from './checker/checker.js';
import { readDatabase } from './checker/evidence-reader.js';
import { readFigures } from './checker/figures-reader.js';
import { readStream, readStreamState } from './checker/stream-reader.js';
import type { Verdict } from './checker/verdict.js';
import { HistoryReader } from './history/history-reader.js';
import type { SystemUnderTest } from './system-under-test.js';
import type { TrialResult } from './trial.js';

/** Reads everything and asks for the verdict. Throws only when the history cannot be read. */
export async function judge(
  system: SystemUnderTest,
  trial: TrialResult,
  topicPrefix: string,
): Promise<Verdict> {
  const { target } = system;
  const { brokers, stream, postgresUrl } = target;
  const after = await readStreamState(brokers, stream);
  const range = { firstSeq: trial.before.lastSeq + 1, lastSeq: after.lastSeq };
  const checker = new Checker({
    ...range,
    streamFirstSeq: after.firstSeq,
    alone: system.alone,
    drained: trial.drained,
    accounting: system.accounting,
  });
  for await (const operation of new HistoryReader(trial.historyFile)) checker.operation(operation);
  await readStream({ ...range, brokers, stream, subjectPrefix: system.subjectPrefix, topicPrefix }, checker);
  const { accounting } = system;
  await readDatabase({ postgresUrl, stream, identity: after.identity, topicPrefix, accounting }, checker);
  await readFigures(
    system.gatewayUrls.map((url) => ({ name: url, url, apiKey: system.apiKey })),
    checker,
  );
  if (system.alone) checker.auditOpinion(await askAudit(system.natsUrls, postgresUrl, systemEnvironment()));
  return checker.verdict();
}
