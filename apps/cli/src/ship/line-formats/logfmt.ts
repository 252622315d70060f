/**
 * logfmt: `level=info msg="one line" took=3ms`, as Heroku, Go's slog and logrus write it.
 *
 * Every word of the line must be a pair, and there must be two. The parsers on npm take any text for logfmt, so they
 * cannot say whether a line is.
 */

const PAIR = /([A-Za-z_@][\w.@/-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"=]*))(?:[ \t]+|$)/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };
const PAIRS_MIN = 2;
const PAIRS_MAX = 256;

/** The pairs from a position to the end, or `undefined` when there is anything else. The last of equal names counts. */
export function readLogfmt(text: string, position = 0): Map<string, string> | undefined {
  const pairs = new Map<string, string>();
  let count = 0;
  let at = position;
  while (at < text.length) {
    PAIR.lastIndex = at;
    const match = PAIR.exec(text);
    if (!match || ++count > PAIRS_MAX) return undefined;
    const [whole, name = '', quoted, bare = ''] = match;
    pairs.set(name, quoted === undefined ? bare : unescape(quoted));
    at += whole.length;
  }
  return count >= PAIRS_MIN ? pairs : undefined;
}

function unescape(quoted: string): string {
  if (!quoted.includes('\\')) return quoted;
  return quoted.replaceAll(/\\(.)/gs, (_, letter: string) => ESCAPES[letter] ?? letter);
}
