/** Writes one JSON line per log entry to standard error, so that standard output stays free for a program's results. */
import { trace } from '@opentelemetry/api';
import { destination, pino, type Logger } from 'pino';
import { loggedError } from './logged-error.js';

export type { Logger };

/**
 * Creates the logger of a process. `err` of a line is an error, of which the log keeps nothing of a payload. In a program with an SDK of OpenTelemetry, a line has the trace to which it belongs.
 *
 * @param name the kind of process, for example `worker`
 * @param level least important level that is logged: trace, debug, info, warn, error, fatal or silent
 */
export function createLogger(name: string, level: string): Logger {
  const base = { name, pid: process.pid };
  return pino(
    { name, level, base, mixin: currentTrace, serializers: { err: loggedError } },
    destination({ dest: 2, sync: true }),
  );
}

/** The ids of the span within which a line is written, in the names that OpenTelemetry gives them in JSON. */
function currentTrace(): object {
  const span = trace.getActiveSpan()?.spanContext();
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
}
