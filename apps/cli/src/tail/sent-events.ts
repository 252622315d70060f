/** Reads server-sent events from the body of an answer (WHATWG HTML, section 9.2.6). */

/** One message. */
export interface SentEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** A gateway sends comments every 15 seconds, so one that is silent for longer is gone. */
const SILENT_MS_MAX = 45_000;

/** The messages of a body, in order. The iteration ends with the body, and throws what the body throws. */
export class SentEvents implements AsyncIterable<SentEvent> {
  /** @param silentMsMax after this long without a byte, the iteration throws */
  constructor(
    private readonly body: ReadableStream<Uint8Array>,
    private readonly silentMsMax = SILENT_MS_MAX,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<SentEvent> {
    const reader = this.body.getReader();
    const decoder = new TextDecoder();
    let text = '';
    try {
      for (;;) {
        const { done, value } = await this.inTime(reader.read());
        if (done) return;
        text += decoder.decode(value, { stream: true });
        const messages = text.split('\n\n');
        text = messages.pop() ?? '';
        for (const message of messages) {
          const read = messageOf(message);
          if (read !== undefined) yield read;
        }
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  private async inTime<T>(reading: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error('the gateway is silent'));
      }, this.silentMsMax);
    });
    return Promise.race([reading, late]).finally(() => {
      clearTimeout(timer);
    });
  }
}

function messageOf(text: string): SentEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const end = line.indexOf(':');
    if (end <= 0) continue;
    const [name, value] = [line.slice(0, end), line.slice(end + 1).replace(/^ /, '')];
    // A data field may be repeated, and stands for as many lines.
    fields.set(name, name === 'data' && fields.has(name) ? `${fields.get(name) ?? ''}\n${value}` : value);
  }
  const data = fields.get('data');
  return data === undefined
    ? undefined
    : { id: fields.get('id'), event: fields.get('event') ?? 'message', data };
}
