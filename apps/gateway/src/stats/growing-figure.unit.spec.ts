import { describe, expect, it } from '@jest/globals';
import { GrowingFigure } from './growing-figure.js';

const at = (minutes: number): Date => new Date(Date.UTC(2026, 10, 22, 10, minutes));

describe('a figure that only grows', () => {
  it('holds against smaller ones, and is renewed by the same', () => {
    const figure = new GrowingFigure();
    expect(figure.least(at(0))).toBe(0);
    figure.note(7, at(0));
    figure.note(5, at(3));
    expect([figure.least(at(3)), figure.notedAt]).toEqual([7, at(0)]);
    figure.note(7, at(6));
    expect([figure.least(at(15)), figure.notedAt]).toEqual([7, at(6)]);
  });

  it('is forgotten after ten minutes: where it really went back, it begins again', () => {
    const figure = new GrowingFigure();
    figure.note(7, at(0));
    expect([figure.least(at(10)), figure.least(at(11))]).toEqual([7, 0]);
    figure.note(5, at(11));
    expect(figure.least(at(11))).toBe(5);
  });
});
