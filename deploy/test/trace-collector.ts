/** Takes spans from exporters of OpenTelemetry, as a collector does: OTLP over HTTP, in JSON. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { waitFor } from '#testing';

/** A span that was exported. */
export interface ExportedSpan {
  /** The name of the program, from `service.name`. */
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Its whole JSON text. */
  readonly text: string;
}

interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface Exported {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<ExportedSpan, 'attributes' | 'links' | 'parentSpanId' | 'traceState'> &
        Partial<Pick<ExportedSpan, 'links' | 'parentSpanId' | 'traceState'>> & {
          readonly attributes?: readonly KeyValue[];
        })[];
    }[];
  }[];
}

/** A collector that listens. */
export class TraceCollector {
  readonly spans: ExportedSpan[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<TraceCollector> {
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        collector.take(JSON.parse(body) as Exported);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    const collector = new TraceCollector(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  /** What exporters are given as `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Waits for a span. */
  async spanWith(describe: string, test: (span: ExportedSpan) => boolean): Promise<ExportedSpan> {
    return waitFor(() => this.spans.find(test) ?? false, { timeoutMs: 20_000, describe });
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private take({ resourceSpans }: Exported): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = String(valuesOf(resource.attributes)['service.name']);
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        const { links = [], attributes = [], parentSpanId = '', traceState = '' } = span;
        const others = { service, links, parentSpanId, traceState, attributes: valuesOf(attributes) };
        this.spans.push({ ...span, ...others, text: JSON.stringify(span) });
      }
    }
  }
}

/** `{ intValue: 3 }` and its neighbours have one member, which is the value. */
function valuesOf(attributes: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
