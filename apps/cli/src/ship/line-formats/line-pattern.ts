/**
 * A regular expression of the user, with a bound on its time.
 *
 * Some expressions take years on some lines: `^(a+)+$` on forty letters. Three designs were possible. An engine with
 * linear time (re2) is a native module, or its port, and another dialect. A thread per file costs a copy of each line.
 * Node's `vm` can end a running expression after some milliseconds, but starting its clock costs 0.1 ms. So lines are
 * matched in groups: one clock for all the lines of a chunk.
 */
import vm from 'node:vm';
import { levelOf } from './levels.js';
import type { RecognisedLine } from './recognised-line.js';
import { writtenTime } from './record-members.js';

/** How long the lines of one group may take together. */
const GROUP_MS_MAX = 1_000;
const GROUPS_MAX = 32;
const LENGTH_MAX = 1_000;

/** The expression does not end on a line in the time that it has. */
export class SlowPatternError extends Error {
  override readonly name = 'SlowPatternError';

  /** @param line its number: among those that were matched together, or in the file */
  constructor(readonly line: number) {
    super(`a regular expression took more than ${GROUP_MS_MAX / 1_000} s on line ${line}: simplify it`);
  }
}

/** The groups of a match by their names, `undefined` when the line does not match. */
export type NamedGroups = Readonly<Record<string, string | undefined>> | undefined;

/** A compiled expression. */
export class LinePattern {
  private readonly context = vm.createContext(Object.create(null) as vm.Context);
  private readonly script = new vm.Script(
    'for (index = 0; index < lines.length; index++) matches.push(expression.exec(lines[index]));',
  );
  /** The names of its groups. */
  readonly names: readonly string[];

  /**
   * @param source an expression of JavaScript
   * @throws `SyntaxError` when it is not one, `RangeError` when it is too long or has too many groups
   */
  constructor(source: string) {
    if (source.length > LENGTH_MAX) throw new RangeError(`it has more than ${LENGTH_MAX} characters`);
    const expression = new RegExp(source);
    // An alternative that is empty always matches, and then has all groups, without a value.
    const groups = new RegExp(`${source}|`).exec('');
    if ((groups?.length ?? 0) - 1 > GROUPS_MAX) throw new RangeError(`it has more than ${GROUPS_MAX} groups`);
    this.names = Object.keys(groups?.groups ?? {});
    this.context['expression'] = expression;
  }

  /**
   * Matches lines.
   *
   * @returns a result for each line, in their order
   * @throws `SlowPatternError` when they take too long
   */
  match(lines: readonly string[]): NamedGroups[] {
    const matches: (RegExpExecArray | null)[] = [];
    Object.assign(this.context, { lines, matches, index: 0 });
    try {
      this.script.runInContext(this.context, { timeout: GROUP_MS_MAX });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new SlowPatternError(Number(this.context['index']));
      throw error;
    }
    return matches.map((match) => (match === null ? undefined : (match.groups ?? {})));
  }
}

/**
 * The line for a match. The groups `time`, `level`, `host`, `program` and `message` are what they say; all others are
 * fields.
 *
 * @param groups `undefined` when the line did not match
 */
export function lineOfGroups(text: string, groups: NamedGroups): RecognisedLine {
  const { time, level, host, program, message, ...others } = groups ?? {};
  const fields = Object.entries(others).filter(([, value]) => value !== undefined);
  return {
    time: time === undefined ? undefined : writtenTime(time.trim()),
    level: level === undefined ? undefined : (levelOf(level) ?? level),
    ...{ host, program },
    message: message ?? text,
    fields: fields.length === 0 ? undefined : Object.fromEntries(fields),
  };
}
