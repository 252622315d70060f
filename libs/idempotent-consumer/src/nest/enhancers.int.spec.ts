/**
 * Pipes, guards, interceptors and filters of Nest work on handlers. Their errors count as errors of the
 * handler.
 */
import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { from, type Observable, switchMap, throwError } from 'rxjs';
import { HandlerFixture } from '../test/handler-fixture.js';
import { Poison } from '../verdict.js';
import { InboxContext } from '../inbox-context.js';
import { OncePerEvent } from './once-per-event.js';

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
});

afterEach(async () => {
  await fixture.dispose();
});

const KEEP = 'INSERT INTO public.kept VALUES ($1)';

/** Nest can inject a provider into an enhancer. */
@Injectable()
class Names {
  of(id: string): string {
    return `named ${id}`;
  }
}

describe('a handler', () => {
  it('gets the value that a pipe returns, and an error of the pipe is that of the event', async () => {
    @Injectable()
    class Naming implements PipeTransform {
      constructor(private readonly names: Names) {}

      transform(value: unknown): unknown {
        if (value instanceof InboxContext) return value;
        if (value === 'bad') throw new Poison('nameless', 'it has no name');
        return this.names.of(String(value));
      }
    }

    @Controller()
    class Piped {
      @OncePerEvent('store')
      @UsePipes(Naming)
      async apply(@Payload() name: string, @Ctx() { transaction }: InboxContext): Promise<void> {
        await transaction.query(KEEP, [name]);
      }
    }

    await fixture.startNest([Piped], fixture.decode, { providers: [Names] });
    await fixture.send('a', 'bad');
    expect(await fixture.settled(1, 1)).toEqual([
      { event_id: 'bad', reason: 'nameless', detail: 'it has no name' },
    ]);
    expect(await fixture.kept()).toEqual(['named a']);
  });

  it('is not called for an event that a guard refuses, which becomes a dead letter after its attempts', async () => {
    @Injectable()
    class Bouncer implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        const { event } = context.switchToRpc().getContext<InboxContext>();
        return event.eventId !== 'bad';
      }
    }
    const called: string[] = [];

    @Controller()
    class Guarded {
      @OncePerEvent('store')
      @UseGuards(Bouncer)
      async apply(@Payload() id: string, @Ctx() { transaction }: InboxContext): Promise<void> {
        called.push(id);
        await transaction.query(KEEP, [id]);
      }
    }

    await fixture.startNest([Guarded], fixture.decode);
    await fixture.send('a', 'bad', 'b');
    expect(await fixture.settled(2, 1)).toMatchObject([{ event_id: 'bad', reason: 'effect_failed' }]);
    expect(await fixture.kept()).toEqual(['a', 'b']);
    expect(called).not.toContain('bad');
  });

  it('shares its transaction with an interceptor, which writes before and after it', async () => {
    @Injectable()
    class Journal implements NestInterceptor {
      async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
        const { transaction, event } = context.switchToRpc().getContext<InboxContext>();
        await transaction.query(KEEP, [`before ${event.eventId}`]);
        return next
          .handle()
          .pipe(switchMap(() => from(transaction.query(KEEP, [`behind ${event.eventId}`]))));
      }
    }

    @Controller()
    class Intercepted {
      @OncePerEvent('store')
      @UseInterceptors(Journal)
      async apply(@Payload() id: string, @Ctx() { transaction }: InboxContext): Promise<void> {
        await transaction.query(KEEP, [id]);
        if (id === 'bad') throw new Error('not this one');
      }
    }

    await fixture.startNest([Intercepted], fixture.decode);
    await fixture.send('a', 'bad');
    await fixture.settled(3, 1);
    // Nothing remains of the event that failed.
    expect(await fixture.kept()).toEqual(['a', 'before a', 'behind a']);
  });

  it('has its errors translated by a filter', async () => {
    class UnknownAccountError extends Error {}

    @Catch(UnknownAccountError)
    class Meaning implements ExceptionFilter {
      catch(error: UnknownAccountError, host: ArgumentsHost): Observable<never> {
        const { event } = host.switchToRpc().getContext<InboxContext>();
        return throwError(() => new Poison('unknown_account', `${error.message} of ${event.eventId}`));
      }
    }

    @Controller()
    class Filtered {
      @OncePerEvent('store')
      @UseFilters(Meaning)
      async apply(@Payload() id: string, @Ctx() { transaction }: InboxContext): Promise<void> {
        await transaction.query(KEEP, [id]);
        if (id === 'bad') throw new UnknownAccountError('no account');
        if (id === 'worse') throw new Error('something else');
      }
    }

    await fixture.startNest([Filtered], fixture.decode);
    await fixture.send('a', 'bad', 'worse');
    expect(await fixture.settled(1, 2)).toEqual([
      { event_id: 'bad', reason: 'unknown_account', detail: 'no account of bad' },
      { event_id: 'worse', reason: 'effect_failed', detail: 'something else' },
    ]);
    expect(await fixture.kept()).toEqual(['a']);
  });
});
