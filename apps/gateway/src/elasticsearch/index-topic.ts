/** The topic of an index of Elasticsearch. */
import { topicFromName } from '#contracts';

/** The number that Elasticsearch adds to an index that it rolls over. */
const ROLLOVER = /-\d{6}$/;
/** A month, week, day or hour at the end of a name, as shippers add it. */
const DATE = /[-_.](?:19|20)\d{2}([-_.])\d{2}(?:\1\d{2}){0,2}$/;
/** The naming scheme of data streams: type, dataset, namespace. */
const DATA_STREAM = /^(logs|metrics|traces|synthetics|profiling)-([^-]+)-([^-]+)$/;

/**
 * Maps the name of an index to a topic.
 *
 * A date at its end is cut, because each topic costs rows and memory for ever. It also would be another identity for a
 * document that is sent again after midnight. The parts of a data stream become tokens, so that a key can cover them by
 * a prefix.
 *
 * @param index for example `filebeat-8.15.0-2026.11.28` or `logs-nginx.access-default`
 * @returns for example `filebeat-8.15.0` or `logs.nginx.access.default`
 */
export function topicOfIndex(index: string): string {
  const undated = index.replace(ROLLOVER, '').replace(DATE, '');
  return topicFromName((undated === '' ? index : undated).replace(DATA_STREAM, '$1.$2.$3'));
}
