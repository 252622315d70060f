/** An event at the HTTP door: what the producer sent, with the rules it has to meet. */
import { validateSync } from 'class-validator';
import { unknownFieldErrors, type FieldError } from '#contracts';
import { IsEventId, IsPayload, IsSource, IsTimestamp, IsTopic } from './event-rules.js';

/** Made from a parsed JSON object and the text of its payload; nothing of it is copied or converted. */
export class EventDto {
  @IsTopic()
  readonly topic: unknown;

  @IsEventId()
  readonly event_id: unknown;

  @IsTimestamp()
  readonly timestamp: unknown;

  @IsSource()
  readonly source: unknown;

  @IsPayload()
  readonly payload: unknown;

  /** The producer's own characters. */
  readonly payloadText: string;

  private readonly names: readonly string[];

  constructor(body: Readonly<Record<string, unknown>>, payloadText: string) {
    this.topic = body['topic'];
    this.event_id = body['event_id'];
    this.timestamp = body['timestamp'];
    this.source = body['source'];
    this.payload = body['payload'];
    this.payloadText = payloadText;
    this.names = Object.keys(body);
  }

  /** Every rule that is broken, none when the event is valid. */
  validate(): FieldError[] {
    const broken = validateSync(this).flatMap(({ property, constraints = {} }) =>
      Object.values(constraints).map((message) => ({ field: property, message })),
    );
    return [...unknownFieldErrors(this.names), ...broken];
  }
}
