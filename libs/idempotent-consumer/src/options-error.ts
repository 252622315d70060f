/** The options of a program's consumers are wrong. The message lists every problem, one per line. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';

  constructor(readonly problems: readonly string[]) {
    super(`The options of the consumers are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}
