/** The Chromium of a run: chromium.mjs finds it, and jest's settings hand it down in SEKALI_CHROMIUM. */
import { existsSync } from 'node:fs';

/** Its path. Throws where there is none. */
export function chromiumPath(): string {
  const path = process.env['SEKALI_CHROMIUM'] ?? '';
  if (existsSync(path)) return path;
  throw new Error('There is no Chromium: install one, or set SEKALI_CHROMIUM to its path.');
}
