import { describe, expect, it } from '@jest/globals';
import { errorText, loggedError } from './logged-error.js';

const MARK = 'payload-mark';

function databaseError(code: string, message: string, members: object = {}): Error {
  return Object.assign(new Error(message), { name: 'error', code, ...members });
}

function jsonError(text: string): Error {
  try {
    JSON.parse(text);
  } catch (error) {
    return error as Error;
  }
  throw new Error('it is JSON');
}

describe('an error in the log', () => {
  it('has its message, its frames and its causes', () => {
    const cause = new TypeError('below');
    const logged = loggedError(new Error('above "x"', { cause }));
    expect(logged).toMatchObject({
      ...{ type: 'Error', message: 'above "x"', stack: expect.stringMatching(/^\s+at /) },
      cause: { type: 'TypeError', message: 'below' },
    });
    expect(errorText(cause)).toBe('TypeError: below');
  });

  it('has what Postgres names of its schema', () => {
    const missing = databaseError('42P01', 'relation "sekali.event" does not exist', {
      routine: 'parserOpenTable',
    });
    expect(loggedError(missing)).toMatchObject({
      ...{ code: '42P01', message: 'relation "sekali.event" does not exist', routine: 'parserOpenTable' },
    });
  });

  it.each([
    ['a value', databaseError('22P02', `invalid input syntax for type integer: "${MARK}"`)],
    ['a row', databaseError('23514', 'refused', { detail: `Failing row contains (1, {"a": "${MARK}"}).` })],
    ['a place in a text', databaseError('22P02', 'wrong', { where: `JSON data, line 1: ${MARK}` })],
    ['what a trigger says', databaseError('P0001', `not this: ${MARK}`)],
    ['parameters', Object.assign(new Error('failed'), { parameters: [MARK], query: MARK })],
    ['JSON', jsonError(`{"a":${MARK}}`)],
    ['JSON that is short', jsonError(MARK)],
    ['an error around one', new Error(`x "${MARK}"`, { cause: jsonError(MARK) })],
    ['an error below one', new Error('x', { cause: jsonError(MARK) })],
  ])('does not have %s', (_what, error) => {
    expect(
      JSON.stringify([error, error.message, error.cause, Object.entries(error), String(error.cause)]),
    ).toContain(MARK);
    expect(JSON.stringify(loggedError(error))).not.toContain(MARK);
    expect(errorText(error)).not.toContain(MARK);
  });

  it('ends for an error that is its own cause', () => {
    const error = new Error('loop');
    error.cause = error;
    expect(JSON.stringify(loggedError(error)).length).toBeLessThan(20_000);
  });

  it('may be anything that was thrown', () => {
    expect(loggedError('text')).toEqual({ type: 'string', message: 'text' });
    expect(errorText(undefined)).toBe('undefined');
  });
});
