/**
 * `npm run test:page`: the tests of the page in a real Chromium, whose names end in `.browser.e2e.spec.ts`. They need
 * one on the PATH, or in SEKALI_CHROMIUM. `npm test` runs them as well where it finds one.
 */
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: '../..',
  testMatch: ['<rootDir>/apps/dashboard/test/**/*.browser.e2e.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
};
