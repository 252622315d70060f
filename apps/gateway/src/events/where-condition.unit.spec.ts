import { describe, expect, it } from '@jest/globals';
import { whereAlternatives } from './where-condition.js';

describe('a condition on a payload', () => {
  it('is a path and a value; what reads as JSON also stands for the same text', () => {
    expect(whereAlternatives('payload.status:500')).toEqual(['{"status":500}', '{"status":"500"}']);
    expect(whereAlternatives('payload.a.b:true')).toEqual(['{"a":{"b":true}}', '{"a":{"b":"true"}}']);
    expect(whereAlternatives('payload.n:12345678901234567890.5')).toEqual([
      '{"n":12345678901234567890.5}',
      '{"n":"12345678901234567890.5"}',
    ]);
    expect(whereAlternatives('payload.name:Ann: "x"')).toEqual(['{"name":"Ann: \\"x\\""}']);
    expect(whereAlternatives('payload.name:"500"')).toEqual(['{"name":"500"}']);
    expect(whereAlternatives('payload.name:')).toEqual(['{"name":""}']);
    expect(whereAlternatives('payload.n:007')).toEqual(['{"n":"007"}']);
  });

  it('may be an object, whose digits are kept', () => {
    for (const text of ['{"a.b":[{"n":1.10}]}', '{"a":1.10,"a":2.20}'])
      expect(whereAlternatives(text)).toEqual([text]);
  });

  it('may have every text that a payload may have, also as escapes', () => {
    for (const text of ['{"a":"\\\\u0000 \\\\ud800"}', '{"a":"\\ud83d\\ude00 \\" 1e9999"}'])
      expect(whereAlternatives(text)).toEqual([text]);
    expect(whereAlternatives('payload.a:"\\\\u0000"')).toEqual(['{"a":"\\\\u0000"}']);
  });

  it('is refused where no payload could hold it, or it has no path', () => {
    for (const text of [
      'status:500',
      'payload:5',
      'payload.a',
      'payload..a:1',
      'payload.a:"open',
      '{"a":',
      '[1]',
      '{"a":"\\u0000"}',
      '{"a":"\\u0000","a":1}',
      '{"a":{"\\u0000":1},"a":1}',
      '{"a":"\\ud800","a":1}',
      '{"a":"\\udc00\\ud800"}',
      '{"a":1e9999}',
      'payload.a:\ud800',
      `payload.a:${'x'.repeat(2_000)}`,
    ])
      expect([text, whereAlternatives(text)]).toEqual([text, undefined]);
  });
});
