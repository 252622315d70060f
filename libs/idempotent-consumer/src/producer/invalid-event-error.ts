/** An event breaks a rule, so that nothing is published or added. The message names the event, the rule and the member. */
export class InvalidEventError extends Error {
  override readonly name = 'InvalidEventError';
}
