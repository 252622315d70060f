/** The gateway process. */
import 'reflect-metadata';
import { readGatewaySettings, SettingsError, type GatewaySettings } from '#config';
import { createLogger } from '#observability';
import { Gateway } from './gateway.js';

const settings = settingsOrExit();
const logger = createLogger('gateway', settings.SEKALI_LOG_LEVEL);
const gateway = await Gateway.start(settings, logger).catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`The gateway cannot start: ${reason}\n`);
  process.exit(1);
});

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
process.once('disconnect', stop);
logger.info({ url: gateway.url }, 'listening');
process.send?.({ type: 'ready', url: gateway.url });

function stop(): void {
  logger.info('stopping');
  void gateway.stop().then(() => process.exit(0));
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
