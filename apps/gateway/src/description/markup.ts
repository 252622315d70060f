/** Text made safe for the page, and its small form of prose: paragraphs, and code between backticks. */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for a place between tags, or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** One paragraph's content. What stands between backticks is code. */
export function inlineProse(text: string): string {
  return text
    .split('`')
    .map((part, index) => (index % 2 === 1 ? code(part) : escapeHtml(part)))
    .join('');
}

/** Paragraphs, which blank lines divide. */
export function prose(text: string): string {
  return text
    .split('\n\n')
    .map((paragraph) => `<p>${inlineProse(paragraph)}</p>`)
    .join('\n');
}

/** Text as code. */
export function code(text: string): string {
  return `<code>${escapeHtml(text)}</code>`;
}

/** A block of code, which is scrolled by itself. */
export function block(text: string, label: string): string {
  return `<pre tabindex="0" role="region" aria-label="${escapeHtml(label)}"><code>${escapeHtml(text)}</code></pre>`;
}

/** A table whose cells are markup already. It is left out when it has no rows. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], label: string): string {
  if (rows.length === 0) return '';
  const cells = head.map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join('');
  const body = rows.map(([first = '', ...rest]) => {
    const others = rest.map(
      (cell, index) => `<td data-head="${escapeHtml(head[index + 1] ?? '')}">${cell}</td>`,
    );
    return `<tr><th scope="row">${first}</th>${others.join('')}</tr>`;
  });
  return `<table aria-label="${escapeHtml(label)}"><thead><tr>${cells}</tr></thead><tbody>${body.join('\n')}</tbody></table>`;
}

/** What is shown on request. Both are markup. */
export function folded(title: string, content: string): string {
  return `<details><summary>${title}</summary>${content}</details>`;
}

/** A value as JSON that is read easily; a text as it is. */
export function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

/** A keyword of a schema as text; empty where it is left out. */
export function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
