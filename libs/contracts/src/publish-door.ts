/**
 * The door of a gateway by which an event came, for its story.
 *
 * Designs: a header of its own would be 20 bytes more in each message of the stream. The header that identifies a
 * submission is there anyway, and only compared as a whole, so the name of the door begins it.
 */

/** The doors, by the protocol that they speak. */
export const PUBLISH_DOORS = [
  'publish',
  'bulk',
  'otlp',
  'cloudevents',
  'webhook',
  'journal',
  'loki',
] as const;

/** A door. */
export type PublishDoor = (typeof PUBLISH_DOORS)[number];

const SEPARATOR = '-';

/** Writes the value of the header of a submission. @param id letters and digits */
export function submissionOf(door: PublishDoor | undefined, id: string): string {
  return door === undefined ? id : `${door}${SEPARATOR}${id}`;
}

/** The door that a submission names; `undefined` for one of another program, or of the version before. */
export function doorOf(submission: string | undefined): PublishDoor | undefined {
  const [name = '', id] = submission?.split(SEPARATOR) ?? [];
  return id === undefined ? undefined : PUBLISH_DOORS.find((door) => door === name);
}
