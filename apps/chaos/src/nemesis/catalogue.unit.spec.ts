import { describe, expect, it } from '@jest/globals';
import { catalogue, chooseFaults, UnknownFaultError } from './catalogue.js';

describe('the catalogue of faults', () => {
  it('names each fault once, and says what it does', () => {
    const names = catalogue.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const fault of catalogue) {
      expect(fault.name).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(fault.what).not.toBe('');
      expect(fault.touches.length).toBeGreaterThan(0);
      expect(fault.holdMs[0]).toBeLessThanOrEqual(fault.holdMs[1]);
    }
  });
});

describe('chooseFaults', () => {
  it('takes all, none, or those that are named, each once', () => {
    expect(chooseFaults('all')).toEqual(catalogue);
    expect(chooseFaults('none')).toEqual([]);
    const chosen = chooseFaults('wipe-broker, kill-worker,kill-worker');
    expect(chosen.map(({ name }) => name)).toEqual(['kill-worker', 'wipe-broker']);
  });

  it.each(['kill-everything', 'kill-worker,nothing', '', 'all,kill-worker'])(
    'refuses %p and lists the existing names',
    (text) => {
      expect(() => chooseFaults(text)).toThrow(UnknownFaultError);
      expect(() => chooseFaults(text)).toThrow(/cut-worker-postgres/);
    },
  );
});
