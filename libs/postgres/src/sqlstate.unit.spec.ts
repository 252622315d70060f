import { describe, expect, it } from '@jest/globals';
import {
  classifyDatabaseError,
  errorCodeOf,
  isAboutTheValue,
  isFailedTransaction,
  isLockTimeout,
  isLoginRefused,
  isMissingTable,
  isUnavailable,
  isUniqueViolation,
  isWrongStatement,
} from './sqlstate.js';

function databaseError(code: string): Error {
  return Object.assign(new Error(`error ${code}`), { code, severity: 'ERROR' });
}

describe('what an error of Postgres means', () => {
  it.each(['08006', '53300', '57P01', '57P03', '25006', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT'])(
    '%s is an outage: nobody is given up because of it',
    (code) => {
      expect(classifyDatabaseError(databaseError(code))).toBe('outage');
    },
  );

  it.each(['57014', '25P03', '25P04'])('%s is a bound that was met: one message may be the cause', (code) => {
    expect(classifyDatabaseError(databaseError(code))).toBe('timeout');
    expect(isUnavailable(databaseError(code))).toBe(true);
  });

  it.each(['42P01', '3F000'])('%s is a defect, and waited out by statements of our own', (code) => {
    expect(classifyDatabaseError(databaseError(code))).toBe('other');
    expect(isUnavailable(databaseError(code))).toBe(true);
  });

  it.each(['42501', '42703', 'P0001', 'XX000'])('%s does not say whose fault it is', (code) => {
    expect(classifyDatabaseError(databaseError(code))).toBe('other');
    expect(isUnavailable(databaseError(code))).toBe(false);
  });

  it('takes a value that is none, or too large, for its own fault, and no constraint', () => {
    const codes = ['22P05', '54000', '23502', '23514', '42703'];
    expect(codes.filter((code) => isAboutTheValue(databaseError(code)))).toEqual(['22P05', '54000']);
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

describe('a question about an error of Postgres', () => {
  const CODES = [
    '08006',
    '22003',
    '23505',
    '23P01',
    '25P02',
    '28000',
    '28P01',
    '42P01',
    '55P03',
    'ECONNRESET',
  ];
  const answeredYes = (question: (error: unknown) => boolean): string[] =>
    CODES.filter((code) => question(databaseError(code)));

  it.each([
    { question: isUniqueViolation, codes: ['23505', '23P01'] },
    { question: isMissingTable, codes: ['42P01'] },
    { question: isLockTimeout, codes: ['55P03'] },
    { question: isFailedTransaction, codes: ['25P02'] },
    { question: isLoginRefused, codes: ['28000', '28P01'] },
    { question: isWrongStatement, codes: ['22003', '23505', '23P01', '42P01'] },
  ])('$question.name is answered with yes for $codes alone', ({ question, codes }) => {
    expect(answeredYes(question)).toEqual(codes);
  });

  it('looks inside an error that TypeORM wrapped, and is answered with no for what has no code', () => {
    expect(
      isLockTimeout(Object.assign(new Error('query failed'), { driverError: databaseError('55P03') })),
    ).toBe(true);
    expect([undefined, null, 'text', new Error('none'), { code: 7 }].map(errorCodeOf)).toEqual(
      Array<undefined>(5).fill(undefined),
    );
  });
});
