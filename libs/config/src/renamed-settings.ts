/** Each former name of a setting, with the name that replaced it. */
const CURRENT_NAMES: readonly (readonly [former: string, name: string])[] = [
  ['SEKALI_NATS_INBOX_PREFIX', 'SEKALI_NATS_REPLY_PREFIX'],
  ['SEKALI_PUBLISH_TOGETHER', 'SEKALI_PUBLISH_ATOMIC_BATCH'],
  ['SEKALI_PUBLISH_TOGETHER_MAX', 'SEKALI_PUBLISH_ATOMIC_BATCH_MAX'],
];

/** An environment in which every setting has its current name. */
export interface CurrentEnvironment {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** One line for each former name that was used. */
  readonly notices: readonly string[];
  /** One line for each setting that has different values under its former and its current name. */
  readonly problems: readonly string[];
}

/**
 * Gives every setting its current name, so that a former name keeps working.
 *
 * @param given an environment without blank values
 */
export function withCurrentNames(given: Readonly<Record<string, string | undefined>>): CurrentEnvironment {
  const environment = { ...given };
  const [notices, problems]: [string[], string[]] = [[], []];
  for (const [former, name] of CURRENT_NAMES) {
    const value = given[former];
    if (value === undefined) continue;
    Reflect.deleteProperty(environment, former);
    const current = given[name];
    if (current !== undefined && current !== value)
      problems.push(
        `${former}: this is the former name of ${name}, which has another value; keep only ${name}`,
      );
    else notices.push(`${former} still works, but its name is now ${name}`);
    environment[name] = current ?? value;
  }
  return { environment, notices, problems };
}
