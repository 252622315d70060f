/** The options that choose events, and the parameters of the gateway's routes that they are. */
import type { Command } from 'commander';
import { LEVELS } from '#contracts';

/** Which events a command is about. */
export interface FilterOptions {
  readonly topic?: string;
  readonly source?: string;
  readonly since?: string;
  readonly until?: string;
  readonly where?: readonly string[];
  readonly text?: string;
  readonly minLevel?: string;
}

/** What the help of such a command says about them. */
export const FILTER_HELP = `--topic takes * for one token and > for the rest: 'logs.>'. --where takes a path and a value, such as
payload.status:500, or a JSON object that the payload contains; several have to hold together.`;

/** Adds the options. The gateway checks their values. */
export function addFilterOptions(command: Command): Command {
  const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
  return command
    .option('--topic <topic>', 'a topic, or a pattern')
    .option('--source <source>', 'exactly this source')
    .option('--since <instant>', "from this instant on, by the event's own timestamp")
    .option('--until <instant>', "before this instant, by the event's own timestamp")
    .option('--where <condition>', 'a condition on the payload; may be given eight times', collect)
    .option('--text <text>', 'a part of the text of the payload, in small or capital letters')
    .option('--min-level <level>', `this level or a more severe one: ${LEVELS.join(', ')}`);
}

/** The parameters of a request. */
export function filterParameters(options: FilterOptions): URLSearchParams {
  const parameters = new URLSearchParams();
  const given = {
    topic: options.topic,
    source: options.source,
    since: options.since,
    until: options.until,
    q: options.text,
    min_level: options.minLevel,
  };
  for (const [name, value] of Object.entries(given)) if (value !== undefined) parameters.set(name, value);
  for (const condition of options.where ?? []) parameters.append('where', condition);
  return parameters;
}
