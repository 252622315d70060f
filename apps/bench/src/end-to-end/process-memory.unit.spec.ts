import { describe, expect, it } from '@jest/globals';
import { parsePeakMb } from './process-memory.js';

describe('parsePeakMb', () => {
  it('reads the peak in millions of bytes', () => {
    expect(parsePeakMb('Name:\tnode\nVmHWM:\t  250000 kB\nVmRSS:\t  100000 kB\n')).toBe(256);
  });

  it('refuses a text without VmHWM', () => {
    expect(() => parsePeakMb('Name:\tnode\n')).toThrow('VmHWM');
  });
});
