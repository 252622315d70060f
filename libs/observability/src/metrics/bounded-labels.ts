/** The label of everything beyond the bound. No topic can have this name. */
export const OTHER = '(other)';
/** The label of everything that has no valid name. */
export const INVALID = '(invalid)';

/**
 * Bounds the values of a label, because each value is a series that Prometheus keeps.
 *
 * The first values keep their names, and every later one becomes `(other)`. So a series never changes its meaning, and
 * sums stay right. Invalid names share one value, so that they use up none of the names.
 */
export class BoundedLabels<T> {
  private readonly known = new Map<string, T>();
  private rest: T | undefined;
  private invalid: T | undefined;

  /**
   * @param valuesMax the number of values that keep their names
   * @param create creates what belongs to a label
   * @param labelOf the label of a value; `undefined` for an invalid one. By default it is the value
   */
  constructor(
    private readonly valuesMax: number,
    private readonly create: (label: string) => T,
    private readonly labelOf: (value: string) => string | undefined = (value) => value,
  ) {}

  /** Returns what belongs to a value. */
  of(value: string): T {
    const known = this.known.get(value);
    if (known !== undefined) return known;
    if (this.known.size >= this.valuesMax) return (this.rest ??= this.create(OTHER));
    const label = this.labelOf(value);
    if (label === undefined) return (this.invalid ??= this.create(INVALID));
    const created = this.create(label);
    this.known.set(value, created);
    return created;
  }
}
