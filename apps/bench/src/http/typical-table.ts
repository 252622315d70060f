/**
 * The table of `typical-http.ts`. It has a file of its own, so that rows can be counted without starting that program.
 */
export const TYPICAL_TABLE = 'typical_event';
