/** The members of a payload by which one can search. */
import { Digits, shortJson } from '../json-text.js';

/** A member with a single value. */
export interface PayloadMember {
  /** Such as `payload.user.name`. */
  readonly path: string;
  /** JSON text. */
  readonly value: string;
}

/** Members of one payload that are offered. */
const MEMBERS_MAX = 64;
/** The gateway takes no longer condition. */
const CONDITION_LENGTH_MAX = 1_024;
/** In a condition, a dot divides names, and a colon ends them. */
const NAME = /^[^.:]+$/;

/** Lists the members with a single value, at any depth, in the order of the payload. Those of arrays are left out. */
export function payloadMembers(payload: unknown): PayloadMember[] {
  return membersOf(payload, 'payload').slice(0, MEMBERS_MAX);
}

/** The condition that a member has a value, as `where` takes it; `undefined` where there is none. */
export function conditionOf(path: string, value: unknown): string | undefined {
  if (typeof value === 'object' && value !== null && !(value instanceof Digits)) return undefined;
  const condition = `${path}:${shortJson(value)}`;
  return condition.length <= CONDITION_LENGTH_MAX ? condition : undefined;
}

function membersOf(value: unknown, path: string): PayloadMember[] {
  if (Array.isArray(value)) return [];
  if (typeof value !== 'object' || value === null || value instanceof Digits)
    return conditionOf(path, value) === undefined || path === 'payload'
      ? []
      : [{ path, value: shortJson(value) }];
  return Object.entries(value as Record<string, unknown>).flatMap(([name, member]) =>
    NAME.test(name) ? membersOf(member, `${path}.${name}`) : [],
  );
}
