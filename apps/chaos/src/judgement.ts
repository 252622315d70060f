import { systemEnvironment } from '#config';
import { askAudit } from './audit-opinion.js';
import { Checker } from './checker/checker.js';
import { errorLine } from './checker/patience.js';
import { readDatabase } from './checker/evidence-reader.js';
import { readFigures } from './checker/figures-reader.js';
import { readStream, readStreamState } from './checker/stream-reader.js';
import type { Verdict } from './checker/verdict.js';
import { stallsOf } from './flow.js';
import { HistoryReader } from './history/history-reader.js';
import type { SystemUnderTest } from './system-under-test.js';
import type { TrialResult } from './trial.js';

/**
 * Passes the history and the evidence to the checker, and returns the verdict. Throws only when the history cannot be
 * read.
 */
export async function judge(
  system: SystemUnderTest,
  trial: TrialResult,
  topicPrefix: string,
): Promise<Verdict> {
  const { target } = system;
  const { brokers, stream, postgresUrl } = target;
  // Brokers that never came back are no reason not to judge, because the verdict says so then.
  const after = await readStreamState(brokers, stream).catch((error: unknown) => errorLine(error));
  const isKnown = typeof after !== 'string';
  const { lastSeq } = isKnown ? after : trial.before;
  const range = { firstSeq: trial.before.lastSeq + 1, lastSeq };
  const checker = new Checker({
    ...range,
    streamFirstSeq: isKnown ? after.firstSeq : range.firstSeq,
    alone: system.alone,
    drained: trial.drained,
    accounting: system.accounting,
    lossWindows: trial.lossWindows,
    notHealed: trial.notHealed,
    stalls: stallsOf(trial),
  });
  for await (const operation of new HistoryReader(trial.historyFile)) checker.operation(operation);
  if (isKnown) await readRows(system, { trial, range, topicPrefix }, checker);
  else {
    checker.unreadable('stream', after);
    checker.unreadable('database', 'the end of the stream is unknown, so its rows cannot be judged');
  }
  await readFigures(
    system.gatewayUrls.map((url) => ({ name: url, url, apiKey: system.apiKey })),
    checker,
  );
  if (system.alone) checker.auditOpinion(await askAudit(system.natsUrls, postgresUrl, systemEnvironment()));
  return checker.verdict();
}

interface Rows {
  readonly trial: TrialResult;
  readonly range: { readonly firstSeq: number; readonly lastSeq: number };
  readonly topicPrefix: string;
}

async function readRows(
  system: SystemUnderTest,
  { trial, range, topicPrefix }: Rows,
  checker: Checker,
): Promise<void> {
  const { subjectPrefix, accounting } = system;
  const { brokers, stream, postgresUrl } = system.target;
  await readStream({ ...range, brokers, stream, subjectPrefix, topicPrefix }, checker);
  const rolledBack = trial.lossWindows.length > 0;
  await readDatabase({ postgresUrl, stream, topicPrefix, accounting, rolledBack }, checker);
}
