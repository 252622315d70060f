/**
 * The life of a gateway process.
 *
 * On SIGTERM, SIGINT or the end of its parent, it finishes what it accepted and ends with 0. If it cannot start, it
 * ends with 1.
 */
import { type GatewaySettings, readGatewaySettings, SettingsError } from '#config';
import { createLogger, endWhenHung, giveLifeSigns } from '#observability';
import { Gateway, type Sabotage } from './gateway.js';

/**
 * Runs a gateway until a signal stops it. Resolves when it listens.
 *
 * @param sabotage of the judge or the benchmark, which makes it a wrong one
 */
export async function runGateway(sabotage: Sabotage = {}): Promise<void> {
  const settings = settingsOrExit();
  const logger = createLogger('gateway', settings.SEKALI_LOG_LEVEL);
  const giveUp = (error: unknown): never => {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`The gateway cannot start: ${reason}\n`);
    process.exit(1);
  };
  const gateway = await Gateway.start(settings, logger, { onNoKey: giveUp, ...sabotage }).catch(giveUp);
  const stop = (): void => {
    logger.info('stopping');
    void gateway.stop().then(() => process.exit(0));
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.once(signal, stop);
  logger.info({ url: gateway.url }, 'listening');
  if (settings.SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS === 'true') {
    logger.warn('everyone who reaches this address reads and writes everything');
  }
  process.send?.({ type: 'ready', url: gateway.url });
  giveLifeSigns();
  endWhenHung('gateway');
}

function settingsOrExit(): GatewaySettings {
  try {
    return readGatewaySettings();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
