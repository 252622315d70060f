/**
 * `npm run test:slow`: the slow proofs, whose names end in `.slow.int.spec.ts` and `.slow.e2e.spec.ts`.
 *
 * They break clusters of their own and wait for them to come back. They run one after another: two at once on two cores
 * starve each other's brokers, and an election that comes late for that is no finding.
 */
import base, { SLOW } from './jest.config.mjs';

export default {
  ...base,
  testMatch: ['**/*.slow.{int,e2e}.spec.ts'],
  testPathIgnorePatterns: base.testPathIgnorePatterns.filter((pattern) => pattern !== SLOW),
  maxWorkers: 1,
};
