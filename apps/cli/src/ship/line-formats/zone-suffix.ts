/** The zone behind a time: `Z`, `+07`, ` +0700`, ` UTC`, ` CEST`. */
import { AMBIGUOUS } from './wall-clock.js';

/** Abbreviations of the time zone database that mean one offset only. */
const OFFSETS: Readonly<Record<string, string>> = {
  UTC: 'Z',
  GMT: 'Z',
  WET: 'Z',
  WEST: '+01:00',
  CET: '+01:00',
  CEST: '+02:00',
  EET: '+02:00',
  EEST: '+03:00',
  MSK: '+03:00',
  WAT: '+01:00',
  CAT: '+02:00',
  SAST: '+02:00',
  EAT: '+03:00',
  IDT: '+03:00',
  PKT: '+05:00',
  WIB: '+07:00',
  WITA: '+08:00',
  AWST: '+08:00',
  HKT: '+08:00',
  WIT: '+09:00',
  JST: '+09:00',
  KST: '+09:00',
  ACST: '+09:30',
  ACDT: '+10:30',
  AEST: '+10:00',
  AEDT: '+11:00',
  NZST: '+12:00',
  NZDT: '+13:00',
  NST: '-03:30',
  NDT: '-02:30',
  AST: '-04:00',
  ADT: '-03:00',
  EST: '-05:00',
  EDT: '-04:00',
  MST: '-07:00',
  MDT: '-06:00',
  PDT: '-07:00',
  AKST: '-09:00',
  AKDT: '-08:00',
  HST: '-10:00',
  HDT: '-09:00',
  SST: '-11:00',
};

/** America or China or Cuba; India or Ireland or Israel; Los Angeles or Manila; Britain or Bangladesh. */
const SEVERAL_MEANINGS: ReadonlySet<string> = new Set(['CST', 'CDT', 'IST', 'PST', 'BST']);

const NUMERIC = / ?([+-])(\d{2})(?::?(00|15|30|45))?(?![\d:.])/y;
const LETTERS = / ?([A-Z]{1,4})(?![A-Za-z0-9_.])/y;

/** A zone, and where it ends. */
export interface ZoneSuffix {
  readonly zone: string | undefined;
  readonly end: number;
}

/**
 * Reads the zone that stands at a position, directly or behind a blank.
 *
 * @returns `zone` is `undefined` when none stands there. The whole is `undefined` when something stands there that looks
 *   like an offset and is none, as `+7`.
 */
export function readZone(text: string, at: number): ZoneSuffix | undefined {
  const code = text.charCodeAt(at);
  const next = code === 0x20 ? text.charCodeAt(at + 1) : code;
  if (next === 0x2b || next === 0x2d) {
    NUMERIC.lastIndex = at;
    const match = NUMERIC.exec(text);
    if (match) {
      const [whole, sign = '', hours = '', minutes = '00'] = match;
      return { zone: `${sign}${hours}:${minutes}`, end: at + whole.length };
    }
    const isDigitNext = /\d/.test(text.charAt(at + 1));
    return code !== 0x20 && isDigitNext ? undefined : { zone: undefined, end: at };
  }
  const isLetter = (next >= 0x41 && next <= 0x5a) || (code === 0x7a && !/\w/.test(text.charAt(at + 1)));
  if (!isLetter) return { zone: undefined, end: at };
  if (code === 0x7a) return { zone: 'Z', end: at + 1 };
  LETTERS.lastIndex = at;
  const [whole = '', name = ''] = LETTERS.exec(text) ?? [];
  const zone = zoneOfName(name);
  return zone === undefined ? { zone, end: at } : { zone, end: at + whole.length };
}

/** The offset for an abbreviation, `ambiguous`, or `undefined` when it is not a zone. */
export function zoneOfName(name: string): string | undefined {
  if (name === 'Z') return 'Z';
  if (SEVERAL_MEANINGS.has(name)) return AMBIGUOUS;
  return Object.hasOwn(OFFSETS, name) ? OFFSETS[name] : undefined;
}
