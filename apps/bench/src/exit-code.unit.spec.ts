import { describe, expect, it } from '@jest/globals';
import { exitCodeOf } from './exit-code.js';
import { WrongSubjectError } from './wrong-subject.js';

describe('the exit code of sekali bench', () => {
  it.each([
    ['a subject that did something wrong', new WrongSubjectError('lost one'), false, 1],
    ['a system that did not start', new Error('no broker'), false, 2],
    ['an interruption', new Error('interrupted'), true, 130],
    ['what an interruption breaks', new WrongSubjectError('accepted 5, found 3'), true, 130],
  ])('is right after %s', (_, error, wasInterrupted, code) => {
    expect(exitCodeOf(error, wasInterrupted)).toBe(code);
  });
});
