/** The style of the page, for light and dark themes, for a desk and for a phone. Distances are on a grid of 8 px. */
export const REFERENCE_STYLE = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f5f6f8; --text: #1c2127; --quiet: #56606b; --line: #d8dde3; --accent: #0b5cad;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #11151a; --raised: #1a2027; --text: #e4e8ec; --quiet: #9aa5b1; --line: #323b45; --accent: #6cb2f5;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  display: grid; grid-template-columns: 18rem minmax(0, 1fr);
}
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 0.15em; }
a:focus-visible, summary:focus-visible, pre:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--ground); padding: 0.5rem; }
nav { border-right: 1px solid var(--line); font-size: 0.875rem; }
.side { position: sticky; top: 0; max-height: 100vh; overflow-y: auto; padding: 1.5rem 1rem 2rem 1.5rem; }
nav p { margin: 1rem 0 0.25rem; color: var(--quiet); }
nav p:first-child { margin-top: 0; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { display: block; padding: 0.125rem 0; color: inherit; text-decoration: none; overflow-wrap: anywhere; }
nav li a:hover { color: var(--accent); }
.contents { display: none; }
main { padding: 2rem clamp(1rem, 4vw, 4rem) 6rem; max-width: 62rem; min-width: 0; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 1rem; letter-spacing: -0.01em; }
h2 { font-size: 1.5rem; line-height: 1.3; margin: 4rem 0 0.5rem; letter-spacing: -0.01em; }
h3 { font-size: 1.125rem; margin: 0 0 0.5rem; overflow-wrap: anywhere; }
h4 { font-size: 0.875rem; margin: 1.5rem 0 0.5rem; color: var(--quiet); font-weight: 600; }
p { margin: 0 0 0.75rem; max-width: 44rem; }
.summary { color: var(--quiet); }
article { border-top: 1px solid var(--line); padding: 1.5rem 0 0.5rem; margin-top: 1.5rem; }
#schemas article { padding-top: 1rem; margin-top: 1rem; }
section > h3 { margin-top: 2rem; }
code { font: 0.875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre {
  margin: 0.5rem 0 1rem; padding: 0.75rem 1rem; background: var(--raised); border-radius: 0.5rem;
  overflow-x: auto; line-height: 1.45;
}
pre code { overflow-wrap: normal; white-space: pre; }
.method { display: inline-block; min-width: 3.25em; font-size: 0.75em; font-weight: 700; letter-spacing: 0.04em; }
.method.get { color: var(--quiet); }
.method.post { color: var(--accent); }
h3 .method { min-width: 0; margin-right: 0.25em; font-size: 0.8125em; }
nav .method { min-width: 5.5em; }
small { color: var(--quiet); font-size: 0.8125rem; }
table { border-collapse: collapse; width: 100%; margin: 0 0 1rem; font-size: 0.9375rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 0.375rem 1.5rem 0.375rem 0; border-bottom: 1px solid var(--line); font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--quiet); font-size: 0.8125rem; }
tbody th { width: 1%; min-width: 10rem; }
tbody th code { overflow-wrap: normal; white-space: nowrap; }
tbody th small { display: block; }
details { margin: 0 0 0.5rem; }
summary { cursor: pointer; }
:target { scroll-margin-top: 1rem; }
span:target, article:target > h3 { background: color-mix(in srgb, var(--accent) 16%, transparent); }
@media (max-width: 56rem) {
  body { display: block; }
  nav { border-right: 0; border-bottom: 1px solid var(--line); }
  .side { display: none; }
  .contents { display: block; margin: 0; padding: 0.75rem 1rem; font-size: 1rem; }
  .contents li a { padding: 0.375rem 0; }
  main { padding-top: 1.5rem; }
  h2 { margin-top: 3rem; }
}
@media (max-width: 40rem) {
  table, tbody, tr, th, td { display: block; width: auto; }
  thead { position: absolute; left: -100rem; }
  tr { border-bottom: 1px solid var(--line); padding: 0.5rem 0; }
  tbody th code { white-space: normal; overflow-wrap: anywhere; }
  tbody th small { display: inline; }
  tbody th, td { border: 0; padding: 0; width: auto; min-width: 0; }
  td:empty { display: none; }
}
@media print { nav { display: none; } body { display: block; } pre code { white-space: pre-wrap; } }
`;
