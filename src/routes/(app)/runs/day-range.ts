/**
 * The instants between which two local days lie, both included, as `?from=2026-01-05&to=2026-01-07`
 * names them. What is no day is no bound.
 */
export function dayRange(
  from: string | null,
  to: string | null,
): { from: Date | null; to: Date | null } {
  const first = startOf(from);
  const last = startOf(to);
  last?.setDate(last.getDate() + 1);
  return { from: first, to: last };
}

/** The day that lies so many days before another, as an address names it. */
export function dayBefore(day: Date, days: number): string {
  const earlier = new Date(day.getFullYear(), day.getMonth(), day.getDate() - days);
  const two = (part: number) => String(part).padStart(2, '0');
  return `${earlier.getFullYear()}-${two(earlier.getMonth() + 1)}-${two(earlier.getDate())}`;
}

function startOf(day: string | null): Date | null {
  if (!day || !/^\d{4}-\d{2}-\d{2}$/.test(day)) return null;
  const start = new Date(`${day}T00:00:00`);
  return Number.isNaN(start.getTime()) ? null : start;
}
