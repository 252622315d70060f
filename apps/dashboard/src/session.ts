/** The key of this tab. It is kept for the tab alone, and gone when the tab is closed. */

const NAME = 'sekali-key';
let inMemory: string | undefined;

/** The key, or `undefined` where no one signed in. */
export function sessionKey(): string | undefined {
  try {
    return sessionStorage.getItem(NAME) ?? undefined;
  } catch {
    // A browser may forbid storage. The key then lasts until the page is loaded again.
    return inMemory;
  }
}

/** Keeps a key. @param key `undefined` forgets it */
export function keepKey(key: string | undefined): void {
  inMemory = key;
  try {
    if (key === undefined) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, key);
  } catch {
    // It is kept in memory.
  }
}
