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

describe('the class of an error of Postgres', () => {
  it.each(['08006', '53300', '57P01', '57P03', '25006', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT'])(
    'of SQLSTATE or code %s is an outage, so no message is given up because of it',
    (code) => {
      expect(classifyDatabaseError(databaseError(code))).toBe('outage');
    },
  );

  it.each(['57014', '25P03', '25P04'])(
    'of SQLSTATE %s is a timeout, which one message may have caused',
    (code) => {
      expect(classifyDatabaseError(databaseError(code))).toBe('timeout');
      expect(isUnavailable(databaseError(code))).toBe(true);
    },
  );

  it.each(['42P01', '3F000'])('of SQLSTATE %s is a defect, which our own statements wait out', (code) => {
    expect(classifyDatabaseError(databaseError(code))).toBe('other');
    expect(isUnavailable(databaseError(code))).toBe(true);
  });

  it.each(['42501', '42703', 'P0001', 'XX000'])(
    'of SQLSTATE %s leaves open whether a message or the store is at fault',
    (code) => {
      expect(classifyDatabaseError(databaseError(code))).toBe('other');
      expect(isUnavailable(databaseError(code))).toBe(false);
    },
  );

  it('blames the value where it is invalid or too large, and not where a constraint refuses it', () => {
    const codes = ['22P05', '54000', '23502', '23514', '42703'];
    expect(codes.filter((code) => isAboutTheValue(databaseError(code)))).toEqual(['22P05', '54000']);
  });

  it.each(['40001', '40P01', '55P03'])('of SQLSTATE %s is contention, so the work is repeated', (code) => {
    expect(classifyDatabaseError(databaseError(code))).toBe('contention');
  });

  it.each(['22P05', '22003', '22007', '23502', '23514', '54000', '54001'])(
    'of SQLSTATE %s says that Postgres refuses the row',
    (code) => {
      expect(classifyDatabaseError(databaseError(code))).toBe('refused');
    },
  );

  it('is found inside an error that TypeORM wrapped', () => {
    const wrapped = Object.assign(new Error('query failed'), { driverError: databaseError('57P01') });
    expect(classifyDatabaseError(wrapped)).toBe('outage');
  });

  it.each([
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Query read timeout',
  ])('is an outage for the driver’s message "%s", which has no code', (message) => {
    expect(classifyDatabaseError(new Error(message))).toBe('outage');
  });

  it('is an outage when the connection to every address fails', () => {
    const error = new AggregateError([databaseError('ECONNREFUSED'), databaseError('ECONNREFUSED')]);
    expect(classifyDatabaseError(error)).toBe('outage');
  });

  it('is an outage for no other error, because a defect must surface', () => {
    expect(classifyDatabaseError(new TypeError('x is not a function'))).toBe('other');
    expect(classifyDatabaseError(databaseError('42601'))).toBe('other');
    expect(classifyDatabaseError('text')).toBe('other');
  });
});

describe('a predicate on errors of Postgres', () => {
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
  const codesWhere = (question: (error: unknown) => boolean): string[] =>
    CODES.filter((code) => question(databaseError(code)));

  it.each([
    { question: isUniqueViolation, codes: ['23505', '23P01'] },
    { question: isMissingTable, codes: ['42P01'] },
    { question: isLockTimeout, codes: ['55P03'] },
    { question: isFailedTransaction, codes: ['25P02'] },
    { question: isLoginRefused, codes: ['28000', '28P01'] },
    { question: isWrongStatement, codes: ['22003', '23505', '23P01', '42P01'] },
  ])('$question.name is true for $codes alone', ({ question, codes }) => {
    expect(codesWhere(question)).toEqual(codes);
  });

  it('reads an error that TypeORM wrapped, and is false for values without a code', () => {
    expect(
      isLockTimeout(Object.assign(new Error('query failed'), { driverError: databaseError('55P03') })),
    ).toBe(true);
    expect([undefined, null, 'text', new Error('none'), { code: 7 }].map(errorCodeOf)).toEqual(
      Array<undefined>(5).fill(undefined),
    );
  });
});
