/**
 * The tracer of a program that has an SDK of OpenTelemetry.
 *
 * Designs: the tracer of the API does nothing without an SDK, so it could always be used. But the contexts of a batch
 * would be read from its headers for nothing, which costs more than all of the decoding. So a batch first asks whether
 * there is an SDK, which is one comparison.
 */
/* eslint-disable @typescript-eslint/no-deprecated -- version 1 of the API has no other way to ask for an SDK */
import { ProxyTracerProvider, trace, type Tracer } from '@opentelemetry/api';

const NAME = '@sekali/idempotent-consumer';
/** What every provider without an SDK leads to. */
const NO_SDK = new ProxyTracerProvider().getDelegate();

/** Returns the tracer; `undefined` while no SDK is registered. */
export function registeredTracer(): Tracer | undefined {
  const provider = trace.getTracerProvider();
  const isInert = provider instanceof ProxyTracerProvider && provider.getDelegate() === NO_SDK;
  return isInert ? undefined : provider.getTracer(NAME);
}
