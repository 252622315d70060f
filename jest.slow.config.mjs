/**
 * `npm run test:slow` runs the slow proofs, whose names end in `.slow.int.spec.ts` or `.slow.e2e.spec.ts`.
 *
 * They break their own clusters and wait until these are back. Two run at a time: one after the other, they took 22
 * minutes on two cores, and each starts more processes than an everyday test.
 */
import base, { SLOW } from './jest.config.mjs';

export default {
  ...base,
  maxWorkers: 2,
  testMatch: ['**/*.slow.{int,e2e}.spec.ts'],
  testPathIgnorePatterns: base.testPathIgnorePatterns.filter((pattern) => pattern !== SLOW),
};
