/**
 * Repeated requests: brokers, Postgres and gateways that have just come back may refuse, or elect a leader, for a
 * while.
 */

const PAUSE_MS = 300;

/**
 * Asks until there is an answer.
 *
 * @throws the last error when the time is up
 */
export async function untilAnswered<T>(timeoutMs: number, ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() + PAUSE_MS > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** An error in one line, for a person. */
export function errorLine(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node joins the errors of several addresses and leaves the joined error without a message.
  const text = error.message === '' ? ((error as { code?: string }).code ?? error.name) : error.message;
  return text.split('\n', 1)[0] ?? text;
}
