/**
 * A program that does one thing and reports: `{ type: 'ready' }` when it begins, `{ type: 'result', report }` at its end.
 *
 * Both halves of that are here: the benchmark starts it with an order as its one argument, the program reads the order
 * and answers.
 */
import { readGatewaySettings } from '#config';
import { pause } from '#waiting';
import type { Program } from '../stage/program.js';
import type { Stage } from '../stage/stage.js';

/** Sent by the program. */
interface ResultMessage {
  readonly type: 'result';
  readonly report: unknown;
}

/**
 * Starts a program, resolves with what it reports, and leaves it ended.
 *
 * @param script from `dist/apps`
 * @throws when it ends without a report
 */
export async function runToReport<T>(stage: Stage, name: string, script: string, order: object): Promise<T> {
  const program = await stage.startProgram(name, script, [JSON.stringify(order)]);
  try {
    return (await reportOf(program)) as T;
  } finally {
    await program.stop();
  }
}

/** In the program: does what the order says, reports it, and ends. Ends too when whoever gave the order does. */
export async function carryOut(work: (order: never) => Promise<object>): Promise<void> {
  process.once('disconnect', () => process.exit(1));
  const [, , text] = process.argv;
  if (text === undefined) throw new Error('Started without an order: it is started by the benchmark.');
  process.send?.({ type: 'ready' });
  const report = await work(JSON.parse(text) as never);
  process.send?.({ type: 'result', report } satisfies ResultMessage, () => process.exit(0));
}

/** In a server: says where it listens, and ends when it is told to or when whoever started it does. */
export function announce(url: string): void {
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
    process.once(signal, () => process.exit(0));
  }
  process.send?.({ type: 'ready', url });
}

/** Starts the gateway, as it is in production but for its port. */
export async function startGateway(stage: Stage): Promise<Program> {
  const gateway = await stage.startProgram('gateway', 'gateway/src/main.js', [], { SEKALI_HTTP_PORT: '0' });
  try {
    await untilBrokersAnswer(gateway.url);
    return gateway;
  } catch (error) {
    await gateway.stop();
    throw error;
  }
}

/** Brokers whose cluster elects a leader meanwhile are waited for, so that a measurement does not begin with refusals. */
async function untilBrokersAnswer(url: string): Promise<void> {
  const endsAt = performance.now() + readGatewaySettings({}).SEKALI_PUBLISH_BUDGET_MS;
  for (;;) {
    const { status } = await fetch(`${url}/health/ready`);
    if (status === 200) return;
    if (performance.now() > endsAt) throw new Error(`The gateway at ${url} is not ready: status ${status}.`);
    await pause(50);
  }
}

async function reportOf(program: Program): Promise<unknown> {
  const reported = new Promise<unknown>((resolve) => {
    for (const message of program.messages) if (isResult(message)) resolve(message.report);
    program.onMessage((message) => {
      if (isResult(message)) resolve(message.report);
    });
  });
  const ended = program.process.exited?.then(() => undefined) ?? Promise.resolve(undefined);
  // Its last message may be read after its end was noticed.
  const report = await Promise.race([reported, ended.then(() => new Promise(setImmediate))]);
  if (report === undefined) {
    throw new Error(`${program.name} ended without a report:\n  ${program.process.logTail(5).join('\n  ')}`);
  }
  return report;
}

function isResult(message: unknown): message is ResultMessage {
  return typeof message === 'object' && message !== null && (message as { type?: unknown }).type === 'result';
}
