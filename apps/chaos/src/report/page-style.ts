/** The page's own style sheet, for light and dark themes. The chart library's comes before it. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f6f8fa; --text: #1f2328; --quiet: #59636e; --line: #d1d9e0;
  --sent: #818b98; --acknowledged: #0969da; --settled: #bc4c00; --lag: #8250df; --memory: #1a7f37;
  --fault: #b0327a; --phase: #59636e; --grid: #e7ecf0;
  --valid: #1a7f37; --violated: #cf222e; --unknown: #9a6700; --on-verdict: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1117; --raised: #161b22; --text: #e6edf3; --quiet: #9198a1; --line: #3d444d;
    --sent: #9198a1; --acknowledged: #4493f8; --settled: #f0883e; --lag: #ab7df8; --memory: #3fb950;
    --fault: #f778ba; --phase: #9198a1; --grid: #21262d;
    --valid: #238636; --violated: #da3633; --unknown: #9e6a03;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem clamp(0.75rem, 3vw, 2rem) 4rem; max-width: 90rem;
  background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: 1.25rem; margin: 0 0 0.5rem; }
h2 { font-size: 1.125rem; margin: 2.5rem 0 0.75rem; }
.verdict { border-radius: 0.5rem; padding: 1rem 1.25rem; color: var(--on-verdict); }
.verdict strong { font-size: 2rem; letter-spacing: 0.04em; line-height: 1.2; display: block; }
.verdict p { margin: 0; }
.verdict.VALID { background: var(--valid); }
.verdict.VIOLATED { background: var(--violated); }
.verdict.UNKNOWN { background: var(--unknown); }
.run { display: grid; grid-template-columns: max-content 1fr; gap: 0.125rem 1rem; margin: 1rem 0 0; }
.run dt { color: var(--quiet); }
.run dd { margin: 0; overflow-wrap: anywhere; }
code, .example { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.875em; }
.example { overflow-wrap: anywhere; white-space: pre-wrap; }
.wide { overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide caption { text-align: left; color: var(--quiet); padding-bottom: 0.375rem; }
.wide th, .wide td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.75rem; vertical-align: top; }
.wide td { text-align: right; }
.wide th { text-align: left; font-weight: 400; }
.wide thead th { background: var(--raised); font-weight: 600; white-space: nowrap; }
.faults td:nth-child(2), .faults td:nth-child(3), .faults td:last-child { text-align: left; }
.faults td:nth-child(2), .faults td:nth-child(4) { white-space: nowrap; }
.faults td:nth-child(3) { min-width: 16rem; overflow-wrap: anywhere; }
figure { margin: 0 0 1.25rem; }
figcaption { font-weight: 600; margin-bottom: 0.25rem; }
figcaption small { font-weight: 400; color: var(--quiet); }
.chart { width: 100%; }
.uplot { font-family: inherit; }
.u-legend { font-size: 0.8125rem; text-align: left; }
.u-legend .u-value { font-variant-numeric: tabular-nums; }
.u-hz .u-cursor-x, .u-hz .u-cursor-y { border-color: var(--quiet); }
.u-select { background: color-mix(in srgb, var(--acknowledged) 20%, transparent); }
.readout { min-height: 3em; margin: 0 0 0.5rem; color: var(--quiet); font-size: 0.875rem; overflow-wrap: anywhere; }
button {
  font: inherit; font-size: 0.875rem; color: inherit; background: var(--raised); cursor: pointer;
  border: 1px solid var(--line); border-radius: 0.375rem; padding: 0.125rem 0.625rem;
}
button:focus-visible, summary:focus-visible, .wide:focus-visible { outline: 2px solid var(--acknowledged); outline-offset: 1px; }
.spans { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; margin: 0 0 0.75rem; }
html:not(.live) .live { display: none; }
summary { cursor: pointer; margin: 0.5rem 0; }
@media print { .live { display: none; } .wide { overflow: visible; } }
`;
