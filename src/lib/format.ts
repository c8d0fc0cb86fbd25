/**
 * How times, durations, money and numbers are written for people. Everything is pure: callers pass
 * the clock, so that tests and server rendering agree.
 */

const EXACT_TIME = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  timeZoneName: 'short',
});
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const DAY_AND_YEAR = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
});
const INTEGER = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const EXACT_NUMBER = new Intl.NumberFormat('en-US', { maximumFractionDigits: 20 });

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const A_DAY = 24 * HOUR;

/** `just now`, `40 s ago`, `12 min ago`, `in 3 h`, `5 d ago`; after a week the date itself. */
export function formatRelativeTime(at: Date | string, now: Date): string {
  const then = new Date(at);
  const elapsed = now.getTime() - then.getTime();
  const distance = Math.abs(elapsed);
  if (Number.isNaN(distance)) return '–';
  if (distance < 10 * SECOND) return 'just now';
  if (distance >= 7 * A_DAY) {
    return (then.getFullYear() === now.getFullYear() ? DAY : DAY_AND_YEAR).format(then);
  }
  const span =
    distance < MINUTE
      ? `${Math.floor(distance / SECOND)} s`
      : distance < HOUR
        ? `${Math.floor(distance / MINUTE)} min`
        : distance < A_DAY
          ? `${Math.floor(distance / HOUR)} h`
          : `${Math.floor(distance / A_DAY)} d`;
  return elapsed >= 0 ? `${span} ago` : `in ${span}`;
}

/** The full local time with its zone, for tooltips. */
export function formatExactTime(at: Date | string): string {
  const then = new Date(at);
  return Number.isNaN(then.getTime()) ? '–' : EXACT_TIME.format(then);
}

/** Calendar date without a time, for things that are good until a day. */
export function formatDate(at: Date | string): string {
  const then = new Date(at);
  return Number.isNaN(then.getTime()) ? '–' : DAY_AND_YEAR.format(then);
}

/** `840 ms`, `3.2 s`, `2 m 10 s`, `1 h 5 m`, `2 d 3 h` from milliseconds. */
export function formatDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return '–';
  const whole = Math.max(0, Math.round(milliseconds));
  if (whole < SECOND) return `${whole} ms`;
  // Compared after rounding: 59.96 s must not become "60.0 s".
  const tenths = Math.round(whole / 100) / 10;
  if (tenths < 60) return `${tenths.toFixed(1)} s`;
  const seconds = Math.round(whole / SECOND);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/**
 * US dollars: two decimals, four below one cent. PostgREST sends `numeric` as number or text, so
 * both are taken.
 */
export function formatMoney(usd: number | string): string {
  const amount = Number(usd);
  if (!Number.isFinite(amount)) return '–';
  const size = Math.abs(amount);
  const sign = amount < 0 ? '−' : '';
  if (size === 0) return '$0.00';
  if (size < 0.00005) return `${sign}<$0.0001`;
  // 0.00996 rounds to a full cent and is written as one.
  if (size < 0.00995) return `${sign}$${size.toFixed(4)}`;
  return `${sign}$${size.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

/** Every digit of an amount, for tooltips. */
export function formatExactMoney(usd: number | string): string {
  const amount = Number(usd);
  return Number.isFinite(amount) ? `$${EXACT_NUMBER.format(amount)}` : '–';
}

/** `1,523` in full, from ten thousand on `12.4 k`, `3.1 M`, `2 B`. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) < 10_000) return INTEGER.format(value);
  return abbreviate(value, [
    [1e3, 'k'],
    [1e6, 'M'],
    [1e9, 'B'],
  ]);
}

/** Every digit, for tooltips. */
export function formatExactNumber(value: number): string {
  return Number.isFinite(value) ? EXACT_NUMBER.format(value) : '–';
}

/** `812 B`, `14.2 kB`, `3 MB`: decimal units, as people's file managers show them. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return '–';
  if (Math.abs(bytes) < 1_000) return `${INTEGER.format(bytes)} B`;
  return abbreviate(bytes, [
    [1e3, 'kB'],
    [1e6, 'MB'],
    [1e9, 'GB'],
  ]);
}

/** One decimal in the largest unit that keeps the figure below a thousand after rounding. */
function abbreviate(value: number, units: [size: number, name: string][]): string {
  const fitting =
    units.find(([size]) => Math.abs(Math.round((value / size) * 10) / 10) < 1_000) ?? units.at(-1)!;
  const [size, name] = fitting;
  const figure = Math.round((value / size) * 10) / 10;
  return `${figure.toLocaleString('en-US')} ${name}`;
}
