/** Universal time, `2026-11-26T10:00:00.000Z`, of milliseconds since 1970 that somebody else wrote: what is no time is shown as the number. */
export function isoTime(unixMs: number): string {
  const date = new Date(unixMs);
  return Number.isNaN(date.getTime()) ? String(unixMs) : date.toISOString();
}
