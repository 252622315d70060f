/**
 * Reads an array of whole numbers that a statement gives back as one value, `array_agg(seq)::text`: a row for each costs
 * more than all the rest of reading.
 *
 * @param text such as `{1,2,3}`; null or `{}` is none
 * @returns the numbers, which must be safe integers
 */
export function readBigints(text: string | null): number[] {
  if (text === null || text === '{}') return [];
  return text.slice(1, -1).split(',').map(Number);
}
