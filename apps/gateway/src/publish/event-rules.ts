/** The rules of an event as class-validator decorators. The contracts define the rules, for both doors. */
import { registerDecorator, type ValidationArguments } from 'class-validator';
import { eventIdError, payloadError, sourceError, timestampError, topicError } from '#contracts';

/** What a rule may inspect in addition to the value. */
interface WithPayloadText {
  readonly payloadText: string;
}

/** Says what is wrong with a value, or `undefined` when nothing is. */
type Rule = (value: unknown, event: WithPayloadText) => string | undefined;

function asDecorator(name: string, rule: Rule): () => PropertyDecorator {
  const errorOf = (value: unknown, given?: ValidationArguments): string | undefined =>
    rule(value, given?.object as WithPayloadText);
  return () => (target, property) => {
    registerDecorator({
      name,
      target: target.constructor,
      propertyName: String(property),
      validator: {
        validate: (value, given) => errorOf(value, given) === undefined,
        defaultMessage: (given) => errorOf(given?.value, given) ?? '',
      },
    });
  };
}

/** A topic: tokens joined by dots. */
export const IsTopic = asDecorator('isTopic', topicError);
/** An event id. */
export const IsEventId = asDecorator('isEventId', eventIdError);
/** An ISO 8601 instant with a zone. */
export const IsTimestamp = asDecorator('isTimestamp', timestampError);
/** The name of a source. */
export const IsSource = asDecorator('isSource', sourceError);
/**
 * A JSON object that Postgres can hold. The rule also inspects its text, which has the numbers as they were written.
 */
export const IsPayload = asDecorator('isPayload', (value, event) => payloadError(value, event.payloadText));
