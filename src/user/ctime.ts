/** The C library's ctime(): seconds since 1970 as `Thu Jan  1 00:16:40 1970`, in UTC. */
const DAYS = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const DAY = 86400;

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

export function ctime(seconds: number): string {
  const days = Math.floor(seconds / DAY);
  const rest = seconds - days * DAY;
  let year = 1970;
  let left = days;
  for (; left >= 365 + Number(isLeap(year)); year++) left -= 365 + Number(isLeap(year));
  let month = 0;
  for (; left >= monthLength(month, year); month++) left -= monthLength(month, year);
  const clock = [rest / 3600, (rest / 60) % 60, rest % 60].map((part) => String(Math.floor(part)).padStart(2, '0')).join(':');
  return `${DAYS[days % 7]} ${MONTHS[month]} ${String(left + 1).padStart(2)} ${clock} ${year}`;
}

const monthLength = (month: number, year: number): number => (month === 1 && isLeap(year) ? 29 : LENGTHS[month]!);
