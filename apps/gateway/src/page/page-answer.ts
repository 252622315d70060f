/**
 * Answers with the page, and with the files that it loads.
 *
 * The names of these files change with their content, so a browser keeps them for ever. The page itself is asked for
 * each time. A browser runs nothing here that is not of this gateway, and no other page may show it in a frame.
 */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { problem, ProblemError } from '../problems/problem-error.js';
import { PAGE_NAME, type PageEncoding, type PageFile, readPageFiles } from './page-files.js';

/** What the page may load and do: its own files and the routes of its gateway, and nothing else. */
export const PAGE_POLICY = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join('; ');

const HEADERS = {
  'content-security-policy': PAGE_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};
const KEPT = 'public, max-age=31536000, immutable';
const ASKED_FOR = 'no-cache';
const ENCODINGS: readonly PageEncoding[] = ['br', 'gzip'];

/** Whether a client that asks for `/` is a browser. Clients of Elasticsearch take JSON, or do not say what they take. */
export function wantsPage({ headers, method }: Pick<FastifyRequest, 'headers' | 'method'>): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  return /(?:^|,)\s*text\/html\s*(?:;|,|$)/i.test(headers.accept ?? '');
}

/** The page of this gateway. */
export class PageAnswer {
  private readonly tags = new Map<string, string>();

  constructor(private readonly files: ReadonlyMap<string, PageFile> = readPageFiles()) {
    for (const [name, { bytes }] of files)
      this.tags.set(name, `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`);
  }

  /** Answers with the page. Throws a 404 problem where it was not built. */
  async page(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    reply.header('vary', 'Accept, Accept-Encoding');
    await this.send(PAGE_NAME, request, reply);
  }

  /** Answers with a file that the page loads. Throws a 404 problem for any other name. */
  async file(name: string, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    reply.header('vary', 'Accept-Encoding');
    await this.send(name, request, reply);
  }

  private async send(name: string, { headers }: FastifyRequest, reply: FastifyReply): Promise<void> {
    const file = this.files.get(name);
    if (file === undefined) throw notHere(name);
    const tag = this.tags.get(name) ?? '';
    reply
      .headers(HEADERS)
      .header('cache-control', name === PAGE_NAME ? ASKED_FOR : KEPT)
      .header('etag', tag);
    if (headers['if-none-match']?.includes(tag) === true) {
      await reply.code(304).send();
      return;
    }
    const encoding = ENCODINGS.find(
      (one) => file.encoded[one] !== undefined && accepts(headers['accept-encoding'], one),
    );
    if (encoding !== undefined) reply.header('content-encoding', encoding);
    await reply.type(file.type).send(encoding === undefined ? file.bytes : file.encoded[encoding]);
  }
}

/** Whether a header names an encoding, and not with the weight 0. */
function accepts(header: string | string[] | undefined, encoding: PageEncoding): boolean {
  return String(header ?? '')
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .some((part) => part.split(';')[0]?.trim() === encoding && !/;\s*q=0(?:\.0*)?\s*$/.test(part));
}

function notHere(name: string): ProblemError {
  const detail =
    name === PAGE_NAME
      ? 'The page was not built: run "npm run build", and start the gateway again.'
      : 'The page has no such file. It may be of another version: load the page again.';
  return new ProblemError(problem('unknown-page-file', 404, detail));
}
