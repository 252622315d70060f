/** A button that copies a text, and says so. */
import { html, type TemplateResult } from 'lit-html';

const SAID_MS = 2_000;

/** @param text is called when one presses the button */
export function copyButton(label: string, text: () => string): TemplateResult {
  const copy = (event: Event): void => {
    const button = event.currentTarget as HTMLButtonElement;
    const say = (words: string): void => {
      const status = button.nextElementSibling;
      if (status === null) return;
      status.textContent = words;
      setTimeout(() => (status.textContent = ''), SAID_MS);
    };
    // Only a page of https or of this machine may write to the clipboard.
    (navigator.clipboard as Clipboard | undefined)?.writeText(text()).then(
      () => say('copied'),
      () => say('the browser does not allow it'),
    );
    if (!window.isSecureContext) say('the browser allows it over https only');
  };
  return html`<button class="plain" @click=${copy}>${label}</button><span class="said" role="status"></span>`;
}
