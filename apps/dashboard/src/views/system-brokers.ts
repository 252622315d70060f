/** The brokers that hold the stream: who leads, who answers, what is held. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { BrokersView, BrokerView, SystemView } from '#contracts';
import type { Reading } from '../reading.js';
import { figureOf, lastKnownNote, tableClass } from '../view.js';
import { bytes, count, counted, span, UNKNOWN } from '../wording.js';

const ROLES = { leader: 'leads', replica: 'follows' } as const;

/** The panel. */
export function brokersPanel(system: Reading<SystemView>): TemplateResult {
  const brokers = system.value?.brokers;
  return html`<section aria-labelledby="brokers-title">
    <h2 id="brokers-title">Brokers</h2>
    ${
      brokers === undefined
        ? nothing
        : brokers === null
          ? html`<p class="note failed">The brokers do not answer, or there is no stream.</p>`
          : html`${lastKnownNote(system)} ${quorum(brokers)} ${table(system, brokers)}
            ${held(system, brokers)}`
    }
  </section>`;
}

function quorum({ quorum: { members, answering, needed }, stream }: BrokersView): TemplateResult {
  const text = `${answering} of ${counted(members, 'broker')} of stream ${stream.name} answer`;
  if (answering < needed)
    return html`<p class="note failed">${text}, and ${needed} are needed. No event is taken.</p>`;
  const spare = answering - needed;
  return html`<p>
    ${text}, and ${needed} are needed:
    ${spare === 0 ? html`<strong>none may fail</strong>.` : `${spare === 1 ? 'one' : spare} may fail.`}
  </p>`;
}

function table(system: Reading<SystemView>, { members }: BrokersView): TemplateResult {
  return html`<div class="wide" tabindex="0" role="region" aria-label="Table of brokers">
    <table class=${tableClass(system)}>
      <thead>
        <tr>
          <th scope="col">broker</th>
          <th scope="col">answers</th>
          <th scope="col">stream</th>
          <th scope="col">consumer</th>
          <th scope="col" class="number">behind</th>
        </tr>
      </thead>
      <tbody>
        ${members.map(row)}
      </tbody>
    </table>
  </div>`;
}

function row({ name, answers, stream, consumer, behind }: BrokerView): TemplateResult {
  return html`<tr>
    <th scope="row">${name}</th>
    <td class=${answers ? 'well' : 'failed-text'}>${answers ? 'yes' : 'no'}</td>
    <td>${stream === null ? UNKNOWN : ROLES[stream]}</td>
    <td>${consumer === null ? UNKNOWN : ROLES[consumer]}</td>
    <td class="number">${stream === 'replica' ? count(behind) : UNKNOWN}</td>
  </tr>`;
}

function held(system: Reading<SystemView>, { stream, consumer }: BrokersView): TemplateResult {
  const of = (read: (brokers: BrokersView) => string): TemplateResult =>
    figureOf(system, (value) => (value.brokers === null ? UNKNOWN : read(value.brokers)));
  const { bytes_max: bytesMax, age_seconds_max: ageMax, first_seq: first, last_seq: last } = stream;
  return html`<dl class="figures">
    <div>
      <dt>messages in the stream</dt>
      <dd>${of((brokers) => count(brokers.stream.messages))}</dd>
      <dd class="about">sequences ${count(first)} to ${count(last)}</dd>
    </div>
    <div>
      <dt>held by each broker</dt>
      <dd>${of((brokers) => bytes(brokers.stream.bytes))}</dd>
      <dd class="about">
        ${bytesMax === null ? 'no bound' : `of ${bytes(bytesMax)}, then events are refused`}
      </dd>
    </div>
    <div>
      <dt>kept in the stream for</dt>
      <dd>${of((brokers) => ageText(brokers.stream.age_seconds_max))}</dd>
      <dd class="about">
        ${ageMax === null ? 'messages leave it by no age' : 'then a message leaves it, stored or not'}
      </dd>
    </div>
    ${
      consumer === null
        ? html`<div>
            <dt>consumer</dt>
            <dd class="failed-text">there is none: run setup</dd>
          </div>`
        : html`<div>
            <dt>not settled by consumer ${consumer.name}</dt>
            <dd>
              ${of((brokers) => count((brokers.consumer?.unsettled ?? 0) + (brokers.consumer?.undelivered ?? 0)))}
            </dd>
            <dd class="about">${count(consumer.unsettled)} of them are delivered</dd>
          </div>`
    }
  </dl>`;
}

function ageText(seconds: number | null): string {
  return seconds === null ? 'ever' : span(seconds);
}
