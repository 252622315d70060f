/**
 * Reads an array of integers that a statement returns as one value, `array_agg(seq)::text`. One row for each number
 * would cost more than all the rest of reading.
 *
 * @param text an array literal, such as `{1,2,3}`; null and `{}` mean no numbers
 * @returns the numbers; each must be a safe integer
 */
export function readBigints(text: string | null): number[] {
  if (text === null || text === '{}') return [];
  return text.slice(1, -1).split(',').map(Number);
}
