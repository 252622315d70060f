/** Reads `GET /stats` of every gateway for the checker. Every failure is reported to the checker, and never thrown. */
import type { StatsView } from '#contracts';
import type { Checker } from './checker.js';
import { errorLine, untilAnswered } from './patience.js';

/** A gateway to ask. */
export interface GatewayAddress {
  readonly name: string;
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** The key that it asks for, if it does. */
  readonly apiKey?: string | undefined;
}

const TIMEOUT_MS = 30_000;
const ANSWER_MS_MAX = 5_000;

/** Asks every gateway, one after the other. Never throws. */
export async function readFigures(
  gateways: readonly GatewayAddress[],
  checker: Pick<Checker, 'gatewayFigures' | 'unreadable'>,
  timeoutMs = TIMEOUT_MS,
): Promise<void> {
  for (const gateway of gateways) {
    const { name } = gateway;
    try {
      checker.gatewayFigures({
        gateway: name,
        stats: await untilAnswered(timeoutMs, () => askStats(gateway)),
      });
    } catch (error) {
      checker.unreadable('figures', `${name}: ${errorLine(error)}`);
    }
  }
}

async function askStats({ url, apiKey }: GatewayAddress): Promise<StatsView> {
  const headers: Record<string, string> = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  const response = await fetch(new URL('/stats', url), { headers, signal });
  if (!response.ok) throw new Error(`GET /stats answers ${response.status}`);
  return asStats(await response.json());
}

/** Checks only the shape. Whether the figures are right is for the checker to decide. */
function asStats(body: unknown): StatsView {
  const stats = body as Partial<StatsView> | null;
  const whole =
    typeof stats?.received === 'number' &&
    typeof stats.duplicates === 'object' &&
    typeof stats.per_topic === 'object' &&
    Array.isArray(stats.topics);
  if (!whole) throw new Error('GET /stats answers with something other than figures');
  return stats as StatsView;
}
