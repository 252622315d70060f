/**
 * `npm run test:shippers`: the tests with log shippers of Debian, whose names end in `.shipper.e2e.spec.ts`. They need the
 * packages unpacked into the folder SEKALI_SHIPPERS, or installed.
 */
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: '../..',
  testMatch: ['<rootDir>/apps/gateway/src/**/*.shipper.e2e.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
};
