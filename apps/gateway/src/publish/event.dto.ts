/** An event at the HTTP door: the producer's members, with their rules. */
import { validateSync } from 'class-validator';
import { unknownFieldErrors, type FieldError } from '#contracts';
import { IsEventId, IsPayload, IsSource, IsTimestamp, IsTopic } from './event-rules.js';

/** Built from a parsed JSON object and the text of its payload, without copying or converting them. */
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

  /** Every broken rule; none when the event is valid. */
  validate(): FieldError[] {
    const broken = validateSync(this).flatMap(({ property, constraints = {} }) =>
      Object.values(constraints).map((message) => ({ field: property, message })),
    );
    return [...unknownFieldErrors(this.names), ...broken];
  }
}
