/** The worker's module names the effects that it serves. The transport does everything else. */
import { Module } from '@nestjs/common';
import { EventRecorder } from './event-recorder.js';

/** To add a consumer, add its class here. */
@Module({ controllers: [EventRecorder] })
export class WorkerModule {}
