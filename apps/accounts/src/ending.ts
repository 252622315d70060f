import { SettingsError } from '#config';
import { OptionsError } from '#idempotent-consumer';

/** Ends a program that could not do its work. Its user can mend wrong settings; anything else is shown with its stack. */
export function endWith(error: unknown): never {
  const isExpected = error instanceof SettingsError || error instanceof OptionsError;
  const text = isExpected || !(error instanceof Error) ? String(error) : (error.stack ?? error.message);
  process.stderr.write(`accounts: ${text}\n`);
  process.exit(1);
}
