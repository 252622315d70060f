/** Finds a Chromium for the tests of the page. They run in a real one, and npm does not bring it. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The path of a Chromium: SEKALI_CHROMIUM, else the first one on the PATH; `undefined` where there is none. */
export function findChromium() {
  const { SEKALI_CHROMIUM: given, PATH: path = '' } = process.env;
  const places = given
    ? [given]
    : path.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return places.find((place) => existsSync(place));
}
