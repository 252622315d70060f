/**
 * Tests run from source: swc strips the types, the mapper leads `#lib` and `.js` back to the TypeScript.
 * One broker cluster and one Postgres serve the whole run (libs/testing/jest).
 */

/** The slow proofs: npm run test:slow. */
export const SLOW = '\\.slow\\.(?:int|e2e)\\.spec\\.ts$';

export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/apps', '<rootDir>/deploy', '<rootDir>/libs'],
  testMatch: ['**/*.spec.ts'],
  // The test of Compose needs Docker: npm run test:compose.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/deploy/compose\\.e2e\\.spec\\.ts$', SLOW],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^#(contracts|config|observability|waiting|postgres|broker|store|idempotent-consumer|local-cluster|testing)$':
      '<rootDir>/libs/$1/src/index.ts',
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
  maxWorkers: 2,
  globalSetup: '<rootDir>/libs/testing/jest/global-setup.mjs',
  globalTeardown: '<rootDir>/libs/testing/jest/global-teardown.mjs',
  modulePathIgnorePatterns: ['/dist/', '<rootDir>/libs/local-cluster/native/'],
};
