/** Asks `sekali audit`, as a process, for a second opinion. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { AuditOpinion } from './checker/evidence.js';
import { builtProgram } from './system/repository.js';

const AUDIT_MS_MAX = 300_000;
const SAYS_LENGTH_MAX = 500;
const BROKEN_PROMISE = /^[\d,]+ sequences? acknowledged to a producer, but not in the stream$/;

/** The audit's opinion of a system. An audit that does not end in time counts as one with the verdict unknown. */
export async function askAudit(
  natsUrls: readonly string[],
  postgresUrl: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<AuditOpinion> {
  // The addresses are not arguments, because any user of the machine could read their passwords in the list of
  // processes.
  const addresses = { SEKALI_NATS_URLS: natsUrls.join(','), SEKALI_POSTGRES_URL: postgresUrl };
  const child = spawn(process.execPath, [builtProgram('cli'), 'audit', '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...environment, ...addresses },
    timeout: AUDIT_MS_MAX,
    killSignal: 'SIGKILL',
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [printed, complained, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const says = complained.trim() || printed.replace(/\s+/g, ' ').trim();
  return {
    exitCode: exitCode ?? 2,
    says: says.slice(0, SAYS_LENGTH_MAX),
    onlyBrokenPromises: violationsOf(printed).every((violation) => BROKEN_PROMISE.test(violation)),
  };
}

/** The violations that it lists. Without a list, this is one violation that says so. */
function violationsOf(printed: string): readonly string[] {
  try {
    return (JSON.parse(printed) as { violations: readonly string[] }).violations;
  } catch {
    return ['no list'];
  }
}
