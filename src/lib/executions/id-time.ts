/**
 * The smallest UUIDv7 of an instant: 48 bits of milliseconds, then zeros. Ids of runs begin with their
 * time, so that a span of time is a range of ids.
 */
export function firstIdAt(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
