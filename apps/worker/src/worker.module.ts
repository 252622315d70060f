/** The worker's module: the effects it serves. Everything else is the transport's. */
import { Module } from '@nestjs/common';
import { EventRecorder } from './event-recorder.js';

/** Add a consumer by adding its class here. */
@Module({ controllers: [EventRecorder] })
export class WorkerModule {}
