/** The encodings of request bodies (RFC 9110, 8.4), and the decoder of each. */
import zlib from 'node:zlib';
import type { Transform } from 'node:stream';
import { problem, ProblemError } from '../problems/problem-error.js';

/** Undoes an encoding. `bytesWritten` counts the encoded bytes that belong to it. */
export type Decoder = Transform & { readonly bytesWritten: number };

/** Creates the decoder of a body. @param first the first byte of the body */
export type DecoderFactory = (first: number) => Decoder;

/** Bytes that a decoder returns at once. */
const CHUNK_BYTES = 65_536;
/** The window that RFC 9659 allows, as a power of two. A frame may ask for one of two gigabytes. */
const ZSTD_WINDOW_LOG_MAX = 23;
const DEFLATE_METHOD = 8;

/** Node has it from 22.15 on. The types are those of Node 20. */
interface WithZstd {
  readonly createZstdDecompress?: (options: { chunkSize: number; params: Record<number, number> }) => Decoder;
  readonly constants: { readonly ZSTD_d_windowLogMax?: number };
}

const options = { chunkSize: CHUNK_BYTES };
const gunzip: DecoderFactory = () => zlib.createGunzip(options);
/** "deflate" is the format of zlib. Some clients send bare deflate under this name, which begins differently. */
const inflate: DecoderFactory = (first) =>
  (first & 0x0f) === DEFLATE_METHOD ? zlib.createInflate(options) : zlib.createInflateRaw(options);
const brotli: DecoderFactory = () => zlib.createBrotliDecompress(options);

function zstd(): readonly (readonly [string, DecoderFactory])[] {
  const { createZstdDecompress, constants } = zlib as unknown as WithZstd;
  if (createZstdDecompress === undefined) return [];
  const params = { [constants.ZSTD_d_windowLogMax ?? 0]: ZSTD_WINDOW_LOG_MAX };
  return [['zstd', () => createZstdDecompress({ ...options, params })]];
}

const DECODERS: ReadonlyMap<string, DecoderFactory> = new Map([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  ['deflate', inflate],
  ['br', brotli],
  ...zstd(),
]);

/** The encodings that are taken, for the header `Accept-Encoding` of a refusal. */
export const ACCEPTED_ENCODINGS = [...DECODERS.keys()].filter((name) => name !== 'x-gzip').join(', ');

/**
 * The decoder for a `Content-Encoding`.
 *
 * @param header its value; left out means that the body is not encoded
 * @returns `undefined` for a body that is not encoded
 * @throws ProblemError 415 for an unknown encoding, and for several, which only a bomb needs
 */
export function decoderOf(header: string | undefined): DecoderFactory | undefined {
  const name = (header ?? 'identity').trim().toLowerCase();
  if (name === 'identity' || name === '') return undefined;
  const decoder = DECODERS.get(name);
  if (decoder !== undefined) return decoder;
  const detail = `Content-Encoding ${name.slice(0, 50)} is not accepted: send the body with one of ${ACCEPTED_ENCODINGS}, or without.`;
  throw new ProblemError(problem('unsupported-type', 415, detail), {
    'accept-encoding': ACCEPTED_ENCODINGS,
  });
}

/** The refusal of an encoded body where the bytes are needed as they were signed. */
export function encoded(): ProblemError {
  const detail = 'Send the body without Content-Encoding: its signature is over the bytes that are sent.';
  return new ProblemError(problem('unsupported-type', 415, detail), { 'accept-encoding': 'identity' });
}
