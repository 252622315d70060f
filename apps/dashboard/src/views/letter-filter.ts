/** Which dead letters are shown, as it stands in the address and in a request. */

const NAMES = ['consumer', 'topic', 'reason', 'fingerprint', 'state'] as const;

/** A filter of the gateway. What is left out selects all. */
export type LetterFilter = Readonly<Partial<Record<(typeof NAMES)[number], string>>>;

/** Reads a filter out of an address. */
export function filterIn(parameters: URLSearchParams): LetterFilter {
  return Object.fromEntries(
    NAMES.flatMap((name) => {
      const value = parameters.get(name);
      return value === null ? [] : [[name, value]];
    }),
  );
}

/** A filter with one parameter less. */
export function without(filter: LetterFilter, name: keyof LetterFilter): LetterFilter {
  return Object.fromEntries(Object.entries(filter).filter(([other]) => other !== name));
}
