/** Sends inputs to the brokers: through a client where it permits them, otherwise through a bare socket. */
import { connect, type Socket } from 'node:net';
import { headers, RequestError } from '@nats-io/nats-core';
import type { BrokerConnection } from '#testing';
import type { NatsInput } from './nats-inputs.js';

const ACK_MS_MAX = 20_000;
const PONG_MS_MAX = 10_000;

/** The brokers' answer: the sequence, a refusal, or nothing that can be known (`unknown`). */
export type NatsOutcome =
  | { readonly status: 'stored' | 'duplicate'; readonly seq: number }
  | { readonly status: 'refused' | 'unknown' };

/** Publishes through the client and waits for the PubAck. */
export async function publishMessage(
  connection: BrokerConnection,
  prefix: string,
  input: NatsInput,
): Promise<NatsOutcome> {
  const fields = headers();
  if (input.messageId !== undefined) fields.set('Nats-Msg-Id', input.messageId);
  for (const [name, value] of Object.entries(input.fields ?? {})) fields.set(name, value);
  try {
    const answer = await connection.request(`${prefix}.${input.topic}`, input.body, {
      timeout: ACK_MS_MAX,
      headers: fields,
    });
    const ack = answer.json<{ seq?: number; duplicate?: boolean; error?: unknown }>();
    if (ack.error !== undefined || ack.seq === undefined) return { status: 'refused' };
    return { status: ack.duplicate === true ? 'duplicate' : 'stored', seq: ack.seq };
  } catch (error) {
    if (error instanceof RequestError && error.isNoResponders()) return { status: 'refused' };
    // Without an answer it may or may not be stored. The stream shows it in the end.
    return { status: 'unknown' };
  }
}

/** A bare connection to a broker, which is opened again whenever the broker has closed it. */
export class RawBrokerSocket {
  private socket: Socket | undefined;

  constructor(
    private readonly url: URL,
    private readonly prefix: string,
  ) {}

  /**
   * Sends one message with an unchanged header block, and waits until the broker has read it or closed the connection.
   */
  async publish({ topic, headers: block = Buffer.alloc(0), body }: NatsInput): Promise<void> {
    const line = `HPUB ${this.prefix}.${topic} ${block.length} ${block.length + body.length}\r\n`;
    const socket = this.opened();
    const read = untilPong(socket);
    socket.write(Buffer.concat([Buffer.from(line), block, body, Buffer.from('\r\nPING\r\n')]));
    if (!(await read)) this.close();
  }

  /** Ends the connection. */
  close(): void {
    this.socket?.destroy();
    this.socket = undefined;
  }

  private opened(): Socket {
    if (this.socket !== undefined) return this.socket;
    const socket = connect(Number(this.url.port), this.url.hostname);
    socket.on('error', () => undefined);
    socket.write('CONNECT {"verbose":false,"pedantic":false,"headers":true,"lang":"fuzz","version":"1"}\r\n');
    this.socket = socket;
    return socket;
  }
}

/** Whether the broker answered before it ended the connection. */
async function untilPong(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (answered: boolean): void => {
      clearTimeout(timer);
      socket.off('data', onData);
      socket.off('close', onClose);
      resolve(answered);
    };
    const onClose = (): void => {
      end(false);
    };
    const onData = (chunk: Buffer): void => {
      const text = chunk.toString('latin1');
      if (text.includes('-ERR')) end(false);
      else if (text.includes('PONG')) end(true);
    };
    const timer = setTimeout(onClose, PONG_MS_MAX);
    socket.on('data', onData);
    socket.once('close', onClose);
  });
}
