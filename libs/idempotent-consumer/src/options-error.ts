/** What is wrong with the options of a program's consumers. The message lists every problem, one a line. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';

  constructor(readonly problems: readonly string[]) {
    super(`Wrong options of consumers:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}
