/** Bounds a wait. */

/** An answer that did not come in time. */
export class LateError extends Error {
  override readonly name = 'LateError';
}

/** The promise's own result, or a `LateError` after so many milliseconds; what it was doing goes on unwatched. */
export async function withinMs<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LateError(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
