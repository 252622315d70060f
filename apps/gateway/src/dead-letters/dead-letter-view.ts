/** Dead letters in the form of the answers. */
import type { DeadLetterActionView, DeadLetterDetail, DeadLetterGroupView, DeadLetterView } from '#contracts';
import {
  deadLetterId,
  type DeadLetterAction,
  type DeadLetterEntry,
  type DeadLetterGroup,
  type FoundDeadLetter,
} from '#store';

/** One dead letter of a page. */
export function entryView(entry: DeadLetterEntry): DeadLetterView {
  const { reference, last } = entry;
  return {
    id: deadLetterId(reference),
    consumer: reference.consumer,
    topic: entry.topic,
    event_id: entry.eventId,
    seq: reference.seq,
    subject: entry.subject,
    reason: entry.reason,
    detail: entry.detail,
    fingerprint: entry.fingerprint,
    deliveries: entry.deliveries,
    body_bytes: entry.bodyBytes,
    published_at: new Date(reference.publishedMs).toISOString(),
    recorded_at: entry.recordedAt,
    state: entry.state,
    actions: entry.actions,
    last_action:
      last === null
        ? null
        : {
            kind: last.kind,
            by: last.by,
            reason: last.reason,
            at: last.at,
            replay_seq: last.replaySeq,
          },
  };
}

/** Dead letters that failed alike. */
export function groupView(group: DeadLetterGroup): DeadLetterGroupView {
  return {
    consumer: group.consumer,
    reason: group.reason,
    fingerprint: group.fingerprint,
    message: group.message,
    count: group.count,
    topic: group.topic,
    more_topics: group.topics > 1,
    first_at: group.firstAt,
    last_at: group.lastAt,
    newest: deadLetterId(group.newest),
  };
}

/** One dead letter with its message and its history. */
export function detailView(found: FoundDeadLetter): DeadLetterDetail {
  const isCut = found.body.length < found.bodyBytes;
  return {
    ...entryView(found),
    headers: found.headers,
    body: {
      text: utf8Text(found.body, isCut),
      base64: found.body.toString('base64'),
      is_cut: isCut,
    },
    history: found.history.map(actionView),
  };
}

function actionView(action: DeadLetterAction): DeadLetterActionView {
  return {
    number: action.number,
    kind: action.kind,
    by: action.by,
    key_id: action.keyId,
    reason: action.reason,
    at: action.at,
    mended: action.body !== null,
    replay_seq: action.replaySeq,
    became: action.fate,
    failure: action.failure,
  };
}

/** @param isCut whether the last character may be incomplete */
function utf8Text(body: Buffer, isCut: boolean): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body, { stream: isCut });
  } catch {
    return null;
  }
}
