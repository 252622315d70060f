/** Asks before something is done: what, to how many, and why. */
import { html, nothing, render, type TemplateResult } from 'lit-html';

/** What is asked. */
export interface Question {
  readonly title: string;
  /** What will happen, with the number of what it happens to. */
  readonly text: TemplateResult | string;
  /** The words on the button: `Drop 12 dead letters`. */
  readonly action: string;
  readonly isReasonNeeded: boolean;
  readonly isDangerous: boolean;
}

const REASON_LENGTH_MAX = 250;

/** Resolves with the reason (perhaps empty) when one confirms, and with `undefined` when one does not. */
export async function confirmed(question: Question): Promise<string | undefined> {
  const dialog = document.createElement('dialog');
  dialog.setAttribute('aria-labelledby', 'question-title');
  document.body.append(dialog);
  return new Promise((resolve) => {
    let reason: string | undefined;
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(reason);
    });
    render(
      questionForm(
        question,
        (given) => {
          reason = given;
          dialog.close();
        },
        () => dialog.close(),
      ),
      dialog,
    );
    dialog.showModal();
  });
}

function questionForm(
  question: Question,
  confirm: (reason: string) => void,
  cancel: () => void,
): TemplateResult {
  const { title, text, action, isReasonNeeded, isDangerous } = question;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const { value } = (event.currentTarget as HTMLFormElement).elements.namedItem(
      'reason',
    ) as HTMLInputElement;
    confirm(value.trim());
  };
  return html`<form @submit=${submit}>
    <h2 id="question-title">${title}</h2>
    <p>${text}</p>
    <label for="reason">Reason${isReasonNeeded ? nothing : ' (may be left out)'}</label>
    <input
      id="reason"
      name="reason"
      maxlength=${REASON_LENGTH_MAX}
      ?required=${isReasonNeeded}
      pattern=".*\\S.*"
      title="Say why, in a few words"
      autocomplete="off"
      autofocus
    />
    <p class="about">It is kept in the history, with the name of the key.</p>
    <div class="actions">
      <button type="submit" class=${isDangerous ? 'danger' : 'primary'}>${action}</button>
      <button type="button" @click=${cancel}>Cancel</button>
    </div>
  </form>`;
}
