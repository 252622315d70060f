/**
 * Tests run from the sources: swc strips the types, and the mapper resolves `#lib` and `.js` to the TypeScript files.
 * One broker cluster and one Postgres serve the whole run (libs/testing/jest).
 */
import { findChromium } from './apps/dashboard/chromium.mjs';

/** The slow proofs, which `npm run test:slow` runs. */
export const SLOW = '\\.slow\\.(?:int|e2e)\\.spec\\.ts$';

/** The tests with log shippers of Debian, which `npm run test:shippers` runs. */
const SHIPPER = '\\.shipper\\.e2e\\.spec\\.ts$';

/** The tests of the page, which run where there is a Chromium. */
const BROWSER = '\\.browser\\.e2e\\.spec\\.ts$';
const chromium = findChromium();
// The processes of a run inherit it.
if (chromium !== undefined) process.env.SEKALI_CHROMIUM = chromium;

export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/apps', '<rootDir>/deploy', '<rootDir>/libs'],
  testMatch: ['**/*.spec.ts'],
  // Each of these needs what Node and npm do not bring: `npm run test:compose` Docker, `test:monitoring` Prometheus,
  // `test:shippers` log shippers, `test:producers` Python and Go, and `test:page` a Chromium.
  testPathIgnorePatterns: [
    '/node_modules/',
    '<rootDir>/deploy/compose\\.e2e\\.spec\\.ts$',
    '<rootDir>/deploy/monitoring/prometheus\\.e2e\\.spec\\.ts$',
    SHIPPER,
    '<rootDir>/apps/gateway/src/foreign-producers\\.e2e\\.spec\\.ts$',
    SLOW,
    ...(chromium === undefined ? [BROWSER] : []),
  ],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^#(contracts|config|observability|waiting|postgres|broker|store|idempotent-consumer|local-cluster|testing)$':
      '<rootDir>/libs/$1/src/index.ts',
    '^#([a-z-]+)/([a-z-]+)$': '<rootDir>/libs/$1/src/$2/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
      },
    ],
  },
  testTimeout: 60_000,
  // A test mostly waits for brokers, Postgres and processes, so two cores have room for a third.
  maxWorkers: 3,
  globalSetup: '<rootDir>/libs/testing/jest/global-setup.mjs',
  globalTeardown: '<rootDir>/libs/testing/jest/global-teardown.mjs',
  modulePathIgnorePatterns: ['/dist/', '<rootDir>/libs/local-cluster/native/'],
};
