import { describe, expect, it } from '@jest/globals';
import { parseLabels } from './stream-labels.js';

describe('the labels of a stream', () => {
  it.each([
    ['{}', {}],
    [' { a = "1" , b_c="x" } ', { a: '1', b_c: 'x' }],
    ['{a="\\"\\\\\\n\\t\\x41\\101\\u00e9\\U0001F600", b=`raw \\n`}', { a: '"\\\n\tAAé😀', b: 'raw \\n' }],
    ['{a="1",}', { a: '1' }],
    ['{a="\\xff"}', { a: { base64: '/w==' } }],
    ['{a="1", a="2"}', { a: '2' }],
  ])('%s', (text, labels) => {
    const read = parseLabels(text);
    const values = [...(read ?? [])].map(([name, json]) => [name, JSON.parse(json) as unknown]);
    expect(Object.fromEntries(values)).toEqual(labels);
  });

  it.each(['', 'a="1"', '{a}', '{a=1}', '{a="1}', '{a="1" b="2"}', '{="1"}', '{a="\\q"}', '{a="x\ny"}'])(
    'are refused: %s',
    (text) => {
      expect(parseLabels(text)).toBeUndefined();
    },
  );
});
