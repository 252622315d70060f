/** `npm run test:monitoring`: the one test that needs `prometheus` and `promtool` in the PATH. */
import base from '../jest.config.mjs';

export default {
  ...base,
  rootDir: '..',
  testMatch: ['<rootDir>/deploy/monitoring/prometheus.e2e.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
};
