/**
 * `npm run test:slow` runs the slow proofs, whose names end in `.slow.int.spec.ts` or `.slow.e2e.spec.ts`.
 *
 * They break their own clusters and wait until these are back. Two run at a time, as in the everyday tests. One after
 * the other, they took 22 minutes on two cores.
 */
import base, { SLOW } from './jest.config.mjs';

export default {
  ...base,
  testMatch: ['**/*.slow.{int,e2e}.spec.ts'],
  testPathIgnorePatterns: base.testPathIgnorePatterns.filter((pattern) => pattern !== SLOW),
};
