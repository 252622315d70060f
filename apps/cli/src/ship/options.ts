/** The options of `sekali ship`, and its help. */
import { hostname } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { sourceError, topicError } from '#contracts';
import { CommandError, errorLine, integerOption, newCommand, ruledOption } from '../command-error.js';
import type { TargetOptions } from '../target.js';
import { bookmarkDirectory } from './bookmark.js';
import type { ReadingRules } from './event-assembler.js';
import { LinePattern } from './line-formats/line-pattern.js';
import { FORMAT_NAMES, type FormatName } from './line-formats/recognition.js';
import { TimeZone } from './line-formats/time-zone.js';

/** What the user asks for. */
export interface ShipOptions extends TargetOptions {
  readonly topic?: string;
  readonly source: string;
  readonly name?: string;
  readonly follow?: boolean;
  readonly lastLine?: boolean;
  readonly format: FormatName;
  readonly pattern?: LinePattern;
  readonly timeZone?: TimeZone;
  readonly multiline?: boolean;
  readonly start?: LinePattern;
  readonly batch: number;
  readonly concurrency: number;
  readonly giveUp: number;
  readonly state: string;
  readonly resume: boolean;
  readonly json?: boolean;
}

const HELP = `
Lines and ids
  Every line becomes an event, also an empty one. Its id consists of the file's name, the line's number and a digest
  of the file up to there. So shipping a file twice, or after it has grown, stores nothing twice. Use --name or
  --topic to distinguish files of the same name on several machines.
  A last line without a newline may be unfinished. It is left out, and the command says so; --last-line sends it.
  Lines over 32 KiB are cut and marked. Bytes that are not UTF-8, and NUL, become U+FFFD and the event is marked.

What a line contains (--format)
  The time becomes the timestamp of the event. The payload has "message", and "level", "host", "program" and "fields"
  where the line has them. "original" is the line itself, where it is more than the message.
    json     one object a line           access   common and combined access logs
    syslog   RFC 5424 and RFC 3164       dated    a date first, as log4j, Python, Go, nginx … write it
    logfmt   level=info msg="…"          auto     whatever the line is; the README has a table with an example of each
  --pattern reads lines of another form. Its groups time, level, host, program and message become those members, and
  all others become fields:
    --pattern '^(?<time>\\S+ \\S+) <(?<level>\\w+)> (?<message>.*)$'

Times
  A time without a zone is read in the zone of --time-zone, or as UTC. A date without a year is in the latest year in
  which it is not more than a day after the file's last change. A line without a certain time gets the time of the
  file's last change, and no member "time". The command says how many these are.

Several lines (--multiline)
  A line that is not recognised belongs to the event before it, so a stack trace is one event. --start names what
  begins an event instead. The last event may go on, so it is left out like an unfinished line.

Files
  "-" reads standard input and needs --name. Files packed by gzip are unpacked, and "app.log.1.gz" has the name
  "app.log.1". With --follow, a renamed file is read on, because its program may still write to it. A deleted one is
  read until it has been quiet for a minute. The same command resumes an interrupted run; after a complete one it
  sends everything again.

Examples:
  sekali ship /var/log/nginx/access.log
  sekali ship *.log --topic logs.web --source web-1
  sekali ship app.log --follow              until Ctrl-C, through rotation
  sekali ship app.log --multiline --time-zone Europe/Berlin
  journalctl -o json | sekali ship - --name journal

Exit codes:
  0  the brokers have every line             2    a file or the gateway cannot be reached
  1  some line is missing                    130  interrupted`;

/** The command with its options, without an action. */
export function commandWithOptions(): Command {
  const command = newCommand('ship')
    .summary('send log files, line by line')
    .description('Sends log files line by line as events. Shipping the same file twice changes nothing.')
    .argument('<file...>', 'the files, or - for standard input')
    .option(
      '--topic <name>',
      'topic of every event (default: logs. and the file name)',
      ruledOption(topicError),
    )
    .option(
      '--source <name>',
      'source of every event',
      ruledOption(sourceError),
      hostname().slice(0, 256) || 'unknown',
    )
    .option('--name <name>', 'name of the file in ids and events (default: its base name)')
    .option('--follow', 'continue as lines are written, until Ctrl-C')
    .option('--last-line', 'also send a last line that may be unfinished');
  return addSendingOptions(addReadingOptions(command)).addHelpText('after', HELP);
}

function addReadingOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--format <name>', 'what the lines are; plain is only text')
        .choices(FORMAT_NAMES)
        .default('auto'),
    )
    .option('--pattern <regex>', 'read lines by the named groups of a regular expression', patternOption)
    .option('--time-zone <zone>', 'zone of times without one (default: UTC)', timeZoneOption)
    .option('--multiline', 'join lines that belong together into one event')
    .option('--start <regex>', 'regular expression that begins an event; implies --multiline', patternOption);
}

function addSendingOptions(command: Command): Command {
  return command
    .option('--batch <events>', 'events in one request', integerOption(1, 10_000), 500)
    .option('--concurrency <count>', 'requests at a time', integerOption(1, 64), 4)
    .addOption(new Option('--via <way>', 'how to send').choices(['http']).default('http'))
    .option('--give-up <seconds>', 'how long a line is sent repeatedly', integerOption(1, 86_400), 120)
    .option('--state <directory>', 'folder where interrupted runs are remembered', bookmarkDirectory())
    .option('--no-resume', 'begin at the beginning even after an interrupted run')
    .option('--json', 'print one JSON document');
}

/** How lines are read. Throws `CommandError` when options contradict each other. */
export function readingRules(options: ShipOptions): ReadingRules {
  const { format, pattern, timeZone, start } = options;
  if (pattern && format !== 'auto') throw new CommandError('--pattern replaces --format: give one of them');
  const multiline = options.multiline === true || start !== undefined;
  if (multiline && format === 'plain' && !start)
    throw new CommandError('--multiline needs --start, because --format plain recognises no line');
  return { format, pattern, timeZone, multiline, start };
}

function patternOption(value: string): LinePattern {
  try {
    return new LinePattern(value);
  } catch (error) {
    const hint = value.includes('(?P<') ? ' (named groups are written (?<name>…))' : '';
    throw new InvalidArgumentError(`${errorLine(error)}${hint}.`);
  }
}

function timeZoneOption(value: string): TimeZone {
  try {
    return new TimeZone(value);
  } catch {
    throw new InvalidArgumentError('It must be a zone such as Europe/Berlin, or an offset such as +07:00.');
  }
}
