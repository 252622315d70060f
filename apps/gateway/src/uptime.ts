/** How long this process runs, in seconds with one decimal: the same wherever it is told. */
export function uptimeSeconds(): number {
  return Math.floor(process.uptime() * 10) / 10;
}
