/** The line before a document, which says what shall become of it: `{"create":{"_index":"logs","_id":"1"}}`. */
import { objectSpans } from '#contracts';

/** What a client may ask for. The last two are refused, because an event never changes. */
export const ACTIONS = ['create', 'index', 'update', 'delete'] as const;

/** One of these. */
export type ActionName = (typeof ACTIONS)[number];

/** One action. */
export interface BulkAction {
  readonly name: ActionName;
  /** The index that it names, `undefined` when it names none. */
  readonly index: string | undefined;
  /** The id that it names, a number in the characters of its client; `undefined` when it names none. */
  readonly id: string | undefined;
}

/** Characters of an action that is read at all. An id and an index have some hundred. */
const LENGTH_MAX = 16_384;

/** Reads the line of an action. @returns `undefined` when it is none */
export function readAction(text: string): BulkAction | undefined {
  if (text.length > LENGTH_MAX) return undefined;
  const action = objectIn(text);
  const [name, ...others] = Object.keys(action ?? {});
  if (action === undefined || name === undefined || others.length > 0 || !isActionName(name))
    return undefined;
  const members = action[name];
  if (!isObject(members)) return undefined;
  const { _index: index, _id: id } = members;
  return {
    name,
    index: typeof index === 'string' ? index : undefined,
    id: typeof id === 'number' ? numberIn(text, name) : typeof id === 'string' ? id : undefined,
  };
}

/** An id that is a number, which may have more digits than JavaScript keeps. */
function numberIn(text: string, name: ActionName): string | undefined {
  const members = objectSpans(text).members.get(name);
  if (members === undefined) return undefined;
  const id = objectSpans(text, members.start).members.get('_id');
  return id === undefined ? undefined : text.slice(id.start, id.end);
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isActionName(name: string): name is ActionName {
  return ACTIONS.some((action) => action === name);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
