/** The worst texts that may come in place of a word. */
import fc from 'fast-check';

/** The purpose of each group stands before it. All of these have crashed some program. */
const CHOSEN: readonly string[] = [
  // Ends of lines and texts, and characters that resemble them.
  ...[
    '',
    ' ',
    '\r\nX-Injected: 1\r\n',
    'a\r\n\r\nGET /stats HTTP/1.1\r\n\r\n',
    '\n',
    '\0',
    'a\0b',
    '\u2028',
    '\u0085',
  ],
  ...['%0d%0aX-Injected:%201', '%00', '%', '%zz', '%c0%af', '%25%32%65', '\ufeff', '\u200b', 'a\u202eb'],
  // Subjects.
  ...[
    '*',
    '>',
    'a.*',
    'a.>',
    '.',
    '..',
    'a..b',
    '.a',
    'a.',
    '$JS.API.STREAM.DELETE.EVENTS',
    '$SYS.REQ',
    '_INBOX.a',
  ],
  ...['a b', 'a\tb', 'a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q', 'x'.repeat(65), 'x'.repeat(10_000)],
  // SQL.
  ...[
    "'",
    "''",
    "' OR 1=1 --",
    "'; DROP TABLE sekali.event; --",
    '\\',
    "\\'",
    '$1',
    '$$',
    '%s',
    "E'\\x00'",
    '/*',
    ';',
  ],
  ...[
    "' UNION SELECT hash FROM sekali.api_key --",
    'NULL',
    'infinity',
    'NaN',
    '-1',
    '1e309',
    '9223372036854775808',
  ],
  // Paths, templates, scripts, prototypes.
  ...[
    '../../etc/passwd',
    '..%2f..%2f',
    '//',
    '?',
    '#',
    '&topic=b',
    '{{7*7}}',
    '${7*7}',
    '<script>alert(1)</script>',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'undefined',
    'null',
    'true',
    '[object Object]',
  ],
  // Unicode: half pairs, the last code point, combining marks, other directions, characters that fold to ASCII.
  ...[
    '\ud800',
    '\udfff',
    'a\ud800',
    '\udc00\ud800',
    '\u{10ffff}',
    'Z\u0351\u036b\u0343\u036a\u0302',
    '\u0301',
    'ﬀ',
    'ß',
    'İ',
  ],
  ...['\u0627\u0644\u0639', '𝕒', '👩‍👩‍👧‍👦', '🏳️‍🌈', 'ａ', '\u1680', '\u3000', '日誌'],
  // Instants.
  ...[
    '2026-02-30T00:00:00Z',
    '2026-11-22T10:00:00',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:60Z',
    '+275760-09-13T00:00:00Z',
  ],
  ...[
    '2026-11-22T10:00:00.1234567890123Z',
    '2026-11-22T24:00:00Z',
    '2026-11-22T10:00:00+99:99',
    '294277-01-01T00:00:00Z',
  ],
];

/** A chosen word, a random one, or one of them many times over. */
export const word: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...CHOSEN) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
  {
    weight: 1,
    // Halves of surrogate pairs among other units of UTF-16.
    arbitrary: fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
      .map((units) => String.fromCharCode(...units)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...CHOSEN), fc.integer({ min: 2, max: 300 }))
      .map(([text, times]) => text.repeat(times).slice(0, 20_000)),
  },
);

/** Bytes of any value. */
export const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
