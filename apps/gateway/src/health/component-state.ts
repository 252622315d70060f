/** What health says of one part. */

/** A part, and what is wrong with it. `degraded` is said, and keeps no request away. */
export interface ComponentState {
  readonly status: 'ok' | 'degraded' | 'failed';
  readonly detail?: string;
}
