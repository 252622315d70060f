/** Writes the bytes of other protocols as JSON that Postgres can hold, without losing one of them. */
import { isUtf8 } from 'node:buffer';

/**
 * Writes bytes as JSON: text as a string, and anything else as `{"base64":"…"}`.
 *
 * Text with a zero character is not a string here, because Postgres cannot hold one.
 */
export function storedText(bytes: Buffer): string {
  return isUtf8(bytes) && !bytes.includes(0)
    ? JSON.stringify(bytes.toString('utf8'))
    : `{"base64":"${bytes.toString('base64')}"}`;
}
