/** `npm run test:shippers`: the tests of log shippers, which need the shippers in the PATH. */
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: '../..',
  testMatch: ['<rootDir>/apps/gateway/src/**/*-shipper.e2e.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
};
