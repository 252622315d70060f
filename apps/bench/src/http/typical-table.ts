/** The table of `typical-http.ts`, named apart so that rows can be counted without starting that program. */
export const TYPICAL_TABLE = 'typical_event';
