/**
 * The typical way to accept events: Nest, class-validator, and a TypeORM `save` for each event, straight into Postgres.
 *
 * `POST /publish` takes one event. `POST /publish/batch` takes an array and saves its events one after the other.
 */
import 'reflect-metadata';
import {
  Body,
  Controller,
  HttpCode,
  Inject,
  Module,
  ParseArrayPipe,
  Post,
  ValidationPipe,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { IsISO8601, IsNotEmpty, IsObject, IsString, MaxLength } from 'class-validator';
import { Column, DataSource, Entity, PrimaryColumn, type Repository } from 'typeorm';
import { readGatewaySettings } from '#config';
import { announce } from './program-run.js';
import { TYPICAL_TABLE } from './typical-table.js';

const EVENTS = 'EVENTS';

/** A row. */
@Entity(TYPICAL_TABLE)
class EventEntity {
  @PrimaryColumn('text')
  topic!: string;

  @PrimaryColumn('text')
  event_id!: string;

  @Column('timestamptz')
  timestamp!: Date;

  @Column('text')
  source!: string;

  @Column('jsonb')
  payload!: Record<string, unknown>;
}

/** A request body, or one element of it. */
class EventDto {
  @IsString()
  @IsNotEmpty()
  @MaxLength(1_000)
  topic!: string;

  @IsString()
  @IsNotEmpty()
  @MaxLength(256)
  event_id!: string;

  @IsISO8601()
  timestamp!: string;

  @IsString()
  @MaxLength(256)
  source!: string;

  @IsObject()
  payload!: Record<string, unknown>;
}

@Controller('publish')
class TypicalController {
  constructor(@Inject(EVENTS) private readonly events: Repository<EventEntity>) {}

  @Post()
  @HttpCode(202)
  async one(@Body() event: EventDto): Promise<{ accepted: number }> {
    await this.save(event);
    return { accepted: 1 };
  }

  @Post('batch')
  @HttpCode(202)
  async many(
    @Body(new ParseArrayPipe({ items: EventDto })) events: EventDto[],
  ): Promise<{ accepted: number }> {
    for (const event of events) await this.save(event);
    return { accepted: events.length };
  }

  private async save({ topic, event_id, timestamp, source, payload }: EventDto): Promise<void> {
    await this.events.save({ topic, event_id, timestamp: new Date(timestamp), source, payload });
  }
}

@Module({
  controllers: [TypicalController],
  providers: [
    {
      provide: EVENTS,
      useFactory: async (): Promise<Repository<EventEntity>> => {
        const source = new DataSource({
          type: 'postgres',
          url: readGatewaySettings().SEKALI_POSTGRES_URL,
          entities: [EventEntity],
          synchronize: true,
        });
        await source.initialize();
        return source.getRepository(EventEntity);
      },
    },
  ],
})
class TypicalModule {}

const app = await NestFactory.create<NestFastifyApplication>(TypicalModule, new FastifyAdapter(), {
  logger: ['error', 'warn'],
});
app.useGlobalPipes(new ValidationPipe({ transform: true }));
await app.listen(0, '127.0.0.1');
announce(await app.getUrl());
