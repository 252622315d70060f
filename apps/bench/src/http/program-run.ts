/**
 * A program that does one thing and reports: `{ type: 'ready' }` when it begins, `{ type: 'result', report }` at its
 * end.
 *
 * Both halves are here. The benchmark starts the program with an order as its one argument; the program reads the order
 * and reports.
 */
import { readGatewaySettings } from '#config';
import { pause } from '#waiting';
import type { Program } from '../environment/program.js';
import type { Environment } from '../environment/environment.js';

/** The program's last message. */
interface ResultMessage {
  readonly type: 'result';
  readonly report: unknown;
}

/**
 * Starts a program, resolves with its report, and waits for its end.
 *
 * @param script from `dist/apps`
 * @throws when the program ends without a report
 */
export async function runToReport<T>(
  environment: Environment,
  name: string,
  script: string,
  order: object,
): Promise<T> {
  const program = await environment.startProgram(name, script, [JSON.stringify(order)]);
  try {
    return (await reportOf(program)) as T;
  } finally {
    await program.stop();
  }
}

/** In the program: carries out the order, reports, and ends. It also ends when its parent process does. */
export async function carryOut(work: (order: never) => Promise<object>): Promise<void> {
  process.once('disconnect', () => process.exit(1));
  const [, , text] = process.argv;
  if (text === undefined)
    throw new Error('Started without an order. Only the benchmark can start this program.');
  process.send?.({ type: 'ready' });
  const report = await work(JSON.parse(text) as never);
  process.send?.({ type: 'result', report } satisfies ResultMessage, () => process.exit(0));
}

/** In a server: reports its URL, and ends on a signal or when its parent process ends. */
export function announce(url: string): void {
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
    process.once(signal, () => process.exit(0));
  }
  process.send?.({ type: 'ready', url });
}

/**
 * Starts the gateway as in production, with another port.
 *
 * @param script of another gateway, from `dist/apps`
 */
export async function startGateway(
  environment: Environment,
  script = 'gateway/src/main.js',
): Promise<Program> {
  const gateway = await environment.startProgram('gateway', script, [], {
    SEKALI_HTTP_PORT: '0',
  });
  try {
    await untilBrokersAnswer(gateway.url);
    return gateway;
  } catch (error) {
    await gateway.stop();
    throw error;
  }
}

/** Waits while the brokers' cluster elects a leader, so that a measurement does not begin with refusals. */
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
  // The last message may be read after the end was noticed.
  const report = await Promise.race([reported, ended.then(() => new Promise(setImmediate))]);
  if (report === undefined) {
    throw new Error(`${program.name} ended without a report:\n  ${program.process.logTail(5).join('\n  ')}`);
  }
  return report;
}

function isResult(message: unknown): message is ResultMessage {
  return typeof message === 'object' && message !== null && (message as { type?: unknown }).type === 'result';
}
