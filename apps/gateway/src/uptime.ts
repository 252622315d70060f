/** How long this process has been running, in seconds with one decimal. */
export function uptimeSeconds(): number {
  return Math.floor(process.uptime() * 10) / 10;
}
