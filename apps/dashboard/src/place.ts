/** Where one is in the page. It stands in the address, so every view is a link: `#/dead-letters?topic=orders`. */

/** The names of the views, in the order of the navigation. */
export const VIEWS = ['now', 'explore', 'event', 'dead-letters', 'topics', 'system'] as const;

/** The name of a view. */
export type ViewName = (typeof VIEWS)[number];

/** A view and what it shows. */
export interface Place {
  readonly view: ViewName;
  readonly parameters: URLSearchParams;
}

/** Reads a hash. An unknown view is the first one. */
export function placeOf(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const view = VIEWS.find((name) => name === path) ?? 'now';
  return { view, parameters: new URLSearchParams(query) };
}

/** The address of a place. Empty parameters are left out. */
export function hrefOf(
  view: ViewName,
  parameters: Readonly<Record<string, string | undefined>> = {},
): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => Boolean(entry[1]));
  const query = new URLSearchParams(given).toString();
  return `#/${view}${query === '' ? '' : `?${query}`}`;
}

/** Goes to a place. @param replaces whether the way back skips the present place */
export function go(href: string, replaces = false): void {
  if (!replaces) {
    location.hash = href;
    return;
  }
  history.replaceState(null, '', href);
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}
