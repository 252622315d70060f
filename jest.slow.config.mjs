/**
 * `npm run test:slow`: the slow proofs, whose names end in `.slow.int.spec.ts` and `.slow.e2e.spec.ts`.
 *
 * They break clusters of their own and wait for them to come back. Two run at a time, as in the everyday tests: one after
 * another they took 22 minutes on two cores.
 */
import base, { SLOW } from './jest.config.mjs';

export default {
  ...base,
  testMatch: ['**/*.slow.{int,e2e}.spec.ts'],
  testPathIgnorePatterns: base.testPathIgnorePatterns.filter((pattern) => pattern !== SLOW),
};
