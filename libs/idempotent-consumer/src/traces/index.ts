/** The inner door to traces, for programs that publish. It loads neither Nest nor Postgres. */
export { spanContextOf, traceContextOf } from './span-context.js';
export { registeredTracer } from './tracer.js';
export { type TraceContext, traceOf } from '../trace-context.js';
