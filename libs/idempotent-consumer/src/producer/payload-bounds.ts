const DEPTH_MAX = 500;
const EXPONENTS_SUM_MAX = 65_536;
/** What a payload without strings may have: a level begins or ends, or a number has an exponent. */
const TOKEN = /"|[[{]|[\]}]|e[+-](\d+)/g;

/**
 * Says which bound of gateways and workers a payload breaks, or `undefined` when none.
 *
 * @param text as `JSON.stringify` writes it: its numbers are short, and exponents are at most 324
 */
export function payloadFlaw(text: string): string | undefined {
  // A level takes two characters, and an exponent that counts takes more than that.
  if (text.length <= 2 * DEPTH_MAX) return undefined;
  let depth = 0;
  let exponents = 0;
  TOKEN.lastIndex = 0;
  for (let token = TOKEN.exec(text); token !== null; token = TOKEN.exec(text)) {
    const [found, exponent] = token;
    if (found === '"') TOKEN.lastIndex = stringEnd(text, token.index);
    else if (exponent !== undefined) exponents += Number(exponent);
    else if (found === '{' || found === '[') depth += 1;
    else depth -= 1;
    if (depth > DEPTH_MAX) return `payload must not nest deeper than ${DEPTH_MAX} levels`;
    if (exponents > EXPONENTS_SUM_MAX)
      return `the exponents of all numbers in payload must not add up to more than ${EXPONENTS_SUM_MAX}`;
  }
  return undefined;
}

/** @returns the index behind the quote that ends the string which begins at `start` */
function stringEnd(text: string, start: number): number {
  let at = text.indexOf('"', start + 1);
  for (; at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text[at - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return at + 1;
  }
  return text.length;
}
