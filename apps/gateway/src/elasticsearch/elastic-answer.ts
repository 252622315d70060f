/** Answers in the words of Elasticsearch. */
import { ProblemError, type AnswerHeaders } from '../problems/problem-error.js';

/** Clients refuse to talk to a server that does not send this header. */
export const PRODUCT_HEADER = 'x-elastic-product';
/** Its value. */
export const PRODUCT_NAME = 'Elasticsearch';
/** The header with its value. */
export const PRODUCT: AnswerHeaders = { [PRODUCT_HEADER]: PRODUCT_NAME };

/** The types of errors that clients of Elasticsearch know, by status. */
const ERROR_TYPES: ReadonlyMap<number, string> = new Map([
  [400, 'illegal_argument_exception'],
  [408, 'timeout_exception'],
  [413, 'content_too_long_exception'],
  [415, 'media_type_header_exception'],
  [503, 'es_rejected_execution_exception'],
]);

/**
 * A refusal that clients of Elasticsearch understand as well: a problem with the member `error`.
 *
 * Both forms have the member `status`, with the same meaning.
 */
export function elasticRefusal(error: unknown): unknown {
  if (!(error instanceof ProblemError)) return error;
  const { status, detail, title } = error.problem;
  const type = ERROR_TYPES.get(status) ?? 'exception';
  const reason = detail ?? title;
  return new ProblemError(
    { ...error.problem, error: { root_cause: [{ type, reason }], type, reason } },
    { ...PRODUCT, ...error.headers },
    { cause: error.cause },
  );
}
