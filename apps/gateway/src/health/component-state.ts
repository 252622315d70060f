/** The health of one part. */

/** A part, and what is wrong with it. `degraded` is reported, but refuses no request. */
export interface ComponentState {
  readonly status: 'ok' | 'degraded' | 'failed';
  readonly detail?: string;
}
