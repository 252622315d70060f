/** A body of any type as a member of a JSON object. */
import { isUtf8 } from 'node:buffer';

const JSON_TYPE = /^[^;]*[/+]json\s*(;|$)/i;
const TEXT_TYPE = /^\s*(text\/|application\/(xml|[^;]*\+xml|x-www-form-urlencoded))/i;

/** The member with the content of a body. */
export interface BodyMember {
  /** Its name and its value, for example `"data":12.50`. */
  readonly text: string;
  /** The body itself, where it is JSON. */
  readonly json?: string;
}

/**
 * The member for a body. JSON keeps its characters, text becomes a string, and anything else is `<name>_base64`.
 *
 * @param type the content type; a body without one may be JSON
 */
export function bodyMember(name: string, type: string | undefined, body: Buffer): BodyMember {
  const isText = isUtf8(body);
  if (isText && (type === undefined || JSON_TYPE.test(type))) {
    const json = body.toString('utf8').trim();
    // What is not JSON in spite of its type must not change the object around it.
    if (isJson(json)) return { text: `"${name}":${json}`, json };
  } else if (isText && TEXT_TYPE.test(type ?? '') && !body.includes(0)) {
    return { text: `"${name}":${JSON.stringify(body.toString('utf8'))}` };
  }
  return base64Member(name, body);
}

/** The member for a body that is kept as bytes. */
export function base64Member(name: string, body: Buffer): BodyMember {
  return { text: `"${name}_base64":${JSON.stringify(body.toString('base64'))}` };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
