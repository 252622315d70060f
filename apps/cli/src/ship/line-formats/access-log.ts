/**
 * Access logs in the common and the combined form, as Apache, nginx, Caddy and Traefik write them.
 *
 *   [virtual host] client ident user [time] "request" status bytes ["referer" "agent" [more]]
 *
 * `message` is the request.
 */
import { readDate } from './date-formats.js';
import { fieldsOf, type RecognisedLine } from './recognised-line.js';

const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`;
const BEFORE = /(?:([^\s[\]"]+) )?([^\s[\]"]+) ([^\s[\]"]+) ([^\s[\]"]+) \[/y;
const BEHIND = new RegExp(
  String.raw`\] ${QUOTED} (\d{3}|-) (\d+|-)(?: ${QUOTED} ${QUOTED})?(?: (.*))?$`,
  'sy',
);
const REQUEST = /^([A-Z]{1,20}) (\S+)(?: (HTTP\/[\d.]{1,5}))?$/;

/** Reads the line, or returns `undefined` when it has another form. */
export function readAccessLine(text: string): RecognisedLine | undefined {
  BEFORE.lastIndex = 0;
  const before = BEFORE.exec(text);
  if (!before) return undefined;
  const [opening, virtualHost, client, ident, user] = before;
  const date = readDate(text, opening.length);
  if (!date) return undefined;
  BEHIND.lastIndex = date.end;
  const behind = BEHIND.exec(text);
  if (!behind) return undefined;
  const [, request = '', status, bytes, referer, agent, more] = behind;
  const [, method, path, protocol] = REQUEST.exec(request) ?? [];
  return {
    time: { text: text.slice(opening.length, date.end), clock: date.clock },
    message: request,
    fields: fieldsOf({
      ...{ client, ident: given(ident), user: given(user), virtual_host: virtualHost },
      ...{ method, path, protocol, status: given(status), bytes: given(bytes) },
      ...{ referer: given(referer), user_agent: given(agent), more },
    }),
  };
}

function given(value: string | undefined): string | undefined {
  return value === '-' ? undefined : value;
}
