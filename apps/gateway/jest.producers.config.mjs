/** `npm run test:producers`: the one test that needs `python3`, `go` and their package registries. */
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: '../..',
  testMatch: ['<rootDir>/apps/gateway/src/foreign-producers.e2e.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
};
