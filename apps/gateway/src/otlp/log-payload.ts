/**
 * The payload of a log record, as JSON text. Members that the client did not set are left out.
 *
 *   {"time_unix_nano", "observed_time_unix_nano", "severity_number", "severity_text", "event_name", "body",
 *    "attributes", "dropped_attributes_count", "flags", "trace_id", "span_id",
 *    "resource": {"attributes", "dropped_attributes_count", "schema_url"},
 *    "scope": {"name", "version", "attributes", "dropped_attributes_count", "schema_url"}}
 *
 * The order is fixed and the values have one form, so equal records have equal payloads.
 */
import { mapText, type Attribute } from './any-value.js';
import type { LogRecord, LogResource, LogScope } from './log-record.js';

/** The members `resource` and `scope`, each after a comma. Most records share them with others. */
export function originMembers(
  resource: LogResource,
  resourceSchemaUrl: string,
  scope: LogScope,
  scopeSchemaUrl: string,
): string {
  const ofResource = attributeMembers(resource) + stringMember('schema_url', resourceSchemaUrl);
  const ofScope =
    stringMember('name', scope.name) +
    stringMember('version', scope.version) +
    attributeMembers(scope) +
    stringMember('schema_url', scopeSchemaUrl);
  return objectMember('resource', ofResource) + objectMember('scope', ofScope);
}

/**
 * The payload of a record.
 *
 * @param origin the members of its resource and scope
 * @param withObserved whether the observed time is a member
 */
export function payloadText(record: LogRecord, origin: string, withObserved: boolean): string {
  const members =
    member('time_unix_nano', record.time) +
    (withObserved ? member('observed_time_unix_nano', record.observedTime) : '') +
    member('severity_number', record.severityNumber) +
    stringMember('severity_text', record.severityText) +
    stringMember('event_name', record.eventName) +
    (record.body === 'null' ? '' : member('body', record.body)) +
    attributeMembers(record) +
    member('flags', record.flags) +
    stringMember('trace_id', record.traceId) +
    stringMember('span_id', record.spanId) +
    origin;
  return `{${members.slice(1)}}`;
}

function attributeMembers(of: { attributes: readonly Attribute[]; droppedAttributes: string }): string {
  const attributes = of.attributes.length === 0 ? '' : mapText(of.attributes);
  return member('attributes', attributes) + member('dropped_attributes_count', of.droppedAttributes);
}

function objectMember(name: string, members: string): string {
  return members === '' ? '' : `,"${name}":{${members.slice(1)}}`;
}

function stringMember(name: string, value: string): string {
  return value === '' ? '' : `,"${name}":${JSON.stringify(value)}`;
}

function member(name: string, text: string): string {
  return text === '' ? '' : `,"${name}":${text}`;
}
