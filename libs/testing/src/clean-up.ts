/**
 * What a test file has to undo at its end, the latest first.
 *
 * It is registered when this module is loaded, so that a test that fails half-way also leaves nothing behind.
 */
import { afterAll } from '@jest/globals';

const duties: (() => Promise<void>)[] = [];

/** Runs `duty` after the last test of the file. It must do nothing when it has run before. */
export function atTheEnd(duty: () => Promise<void>): void {
  duties.push(duty);
}

afterAll(async () => {
  const failures: unknown[] = [];
  for (const duty of duties.splice(0).reverse()) {
    await duty().catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw new AggregateError(failures, 'cleaning up after the tests failed');
});
