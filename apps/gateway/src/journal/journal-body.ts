import type { Socket } from 'node:net';
import { ArrivingBody, type ArrivingBodyBounds } from '../publish/line-body.js';
import type { DecoderFactory } from '../publish/content-encoding.js';
import { EntrySplitter } from './entry-splitter.js';
import type { JournalEntry } from './journal-entry.js';

/** The entries of one upload, which are read while it arrives. */
export class JournalBody extends ArrivingBody<JournalEntry> {
  constructor(
    payload: NodeJS.ReadableStream,
    socket: Socket,
    decode: DecoderFactory | undefined,
    bounds: ArrivingBodyBounds,
  ) {
    super(payload, socket, decode, bounds, new EntrySplitter(bounds.lineBytesMax));
  }
}
