/** `npm run test:compose`: the one test that needs a Docker engine. It brings its own brokers and Postgres. */
import base from '../jest.config.mjs';

export default {
  ...base,
  rootDir: '..',
  testMatch: ['<rootDir>/deploy/compose.e2e.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  globalSetup: null,
  globalTeardown: null,
};
