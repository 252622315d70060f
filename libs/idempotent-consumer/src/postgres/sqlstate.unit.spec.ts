import { describe, expect, it } from '@jest/globals';
import { classifyDatabaseError } from './sqlstate.js';

function databaseError(code: string): Error {
  return Object.assign(new Error(`error ${code}`), { code, severity: 'ERROR' });
}

describe('what an error of Postgres means', () => {
  it.each([
    '08006',
    '53300',
    '57P01',
    '57P03',
    '25006',
    '57014',
    '25P04',
    'ECONNREFUSED',
    'ECONNRESET',
    'ETIMEDOUT',
  ])('%s is an outage: nobody is given up because of it', (code) => {
    expect(classifyDatabaseError(databaseError(code))).toBe('outage');
  });

  it.each(['40001', '40P01', '55P03'])('%s is contention: repeat', (code) => {
    expect(classifyDatabaseError(databaseError(code))).toBe('contention');
  });

  it.each(['22P05', '22003', '22007', '23502', '23514', '54000', '54001'])(
    '%s means the row is refused',
    (code) => {
      expect(classifyDatabaseError(databaseError(code))).toBe('refused');
    },
  );

  it('looks inside an error that TypeORM wrapped', () => {
    const wrapped = Object.assign(new Error('query failed'), { driverError: databaseError('57P01') });
    expect(classifyDatabaseError(wrapped)).toBe('outage');
  });

  it.each([
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Query read timeout',
  ])('knows the driver’s own "%s", which has no code', (message) => {
    expect(classifyDatabaseError(new Error(message))).toBe('outage');
  });

  it('calls an error on every address an outage', () => {
    const error = new AggregateError([databaseError('ECONNREFUSED'), databaseError('ECONNREFUSED')]);
    expect(classifyDatabaseError(error)).toBe('outage');
  });

  it('takes nothing else for an outage: a defect must surface', () => {
    expect(classifyDatabaseError(new TypeError('x is not a function'))).toBe('other');
    expect(classifyDatabaseError(databaseError('42601'))).toBe('other');
    expect(classifyDatabaseError('text')).toBe('other');
  });
});
