const ISO_8601 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,12})?)?(?:[Zz]|([+-])(\d{2})(?::?(\d{2}))?)$/;

/**
 * Whether a text is an instant with a zone, as gateways and workers read it.
 *
 * Seconds and a fraction are optional. Second 60 is only valid as the last one of a day in UTC. The date must exist, and
 * the year in UTC must be 0001 to 9999. `Date` alone would take dates that do not exist, and texts without a zone.
 */
export function isInstant(text: string): boolean {
  const match = ISO_8601.exec(text);
  if (match === null) return false;
  const [, , , , , , second = '0', sign, zoneHour = '0', zoneMinute = '0'] = match;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = match.slice(1, 6).map(Number);
  const seconds = Number(second);
  const date = new Date(0);
  // Date.UTC would read the years 0 to 99 as 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return false;
  if (hour > 23 || minute > 59 || seconds > 60 || Number(zoneHour) > 15 || Number(zoneMinute) > 59)
    return false;
  const offset = (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === '-' ? -1 : 1);
  date.setUTCHours(hour, minute - offset, seconds);
  const isMidnight = date.getUTCHours() === 0 && date.getUTCMinutes() === 0;
  if (seconds === 60 && !isMidnight) return false;
  return date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9_999;
}
