import { Temporal } from '@js-temporal/polyfill';
import { Cron } from 'croner';
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, expect, inject, it } from 'vitest';
import { isProving } from '../support/proving.ts';

/**
 * private.next_run_at against two independent oracles: croner where a cron line can say the schedule,
 * calendar arithmetic with Temporal everywhere. Half of the instants asked about lie near a change of the
 * clocks.
 */
const COUNT = isProving ? 100_000 : 1000;
const ZONES = [
  ...['UTC', 'Europe/Berlin', 'Europe/London', 'Europe/Moscow', 'Europe/Lisbon', 'Europe/Dublin'],
  ...['America/New_York', 'America/Los_Angeles', 'America/Sao_Paulo', 'America/St_Johns'],
  ...['America/Santiago', 'America/Havana', 'America/Asuncion', 'America/Caracas'],
  ...['Africa/Casablanca', 'Africa/Cairo', 'Africa/Juba', 'Asia/Kolkata', 'Asia/Kathmandu'],
  ...['Asia/Tehran', 'Asia/Gaza', 'Asia/Beirut', 'Asia/Tokyo', 'Asia/Pyongyang', 'Asia/Amman'],
  ...['Australia/Lord_Howe', 'Australia/Sydney', 'Australia/Adelaide', 'Pacific/Apia'],
  ...['Pacific/Chatham', 'Pacific/Kiritimati', 'Pacific/Auckland', 'Atlantic/Azores'],
];
/** Clocks there once skipped the end of a day; croner drops a slot that would move past midnight. */
const ZONES_THAT_SKIPPED_MIDNIGHT = ['Asia/Pyongyang', 'Pacific/Apia'];
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const START = Date.UTC(2010, 0, 1);
const TEN_YEARS = 3653 * DAY;

type Schedule = {
  frequency: 'once' | 'minutes' | 'hourly' | 'daily' | 'weekly' | 'monthly';
  interval: number;
  time_of_day: string | null;
  days_of_week: number[] | null;
  day_of_month: number | null;
  timezone: string;
  starts_at: string;
  ends_at: string | null;
};
type Question = { schedule: Schedule; after: number };

const sql = postgres(inject('databaseUrl'), { max: 1 });
afterAll(() => sql.end());

const timeOfDay = fc
  .tuple(fc.oneof(fc.nat(3), fc.nat(23)), fc.nat(59))
  .map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`);
const question: fc.Arbitrary<Question> = fc
  .record({
    frequency: fc.constantFrom(
      ...(['once', 'minutes', 'hourly', 'daily', 'weekly', 'monthly'] as const),
    ),
    // One is what cron lines can say, and what people use most.
    interval: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 })),
    time: fc.option(timeOfDay),
    days: fc.option(fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 })),
    day: fc.option(fc.integer({ min: 1, max: 31 })),
    timezone: fc.constantFrom(...ZONES),
    start: fc.nat(TEN_YEARS / MINUTE),
    // Within the minute: what is stored is cut to seconds, what is asked about is not.
    fraction: fc.oneof(fc.constant(0), fc.nat(MINUTE - 1)),
    length: fc.option(fc.nat(3 * 365 * 24 * 60)),
    later: fc.integer({ min: -30 * 24 * 60, max: 2 * 365 * 24 * 60 }),
    nearChange: fc.option(fc.integer({ min: -300, max: 300 })),
  })
  .map(({ frequency, time, days, day, timezone, interval, start, fraction, ...rest }) => {
    const { length, later, nearChange } = rest;
    const calendar = ['daily', 'weekly', 'monthly'].includes(frequency);
    const startsAt = START + start * MINUTE + fraction;
    const change = Temporal.Instant.fromEpochMilliseconds(startsAt + later * MINUTE)
      .toZonedDateTimeISO(timezone)
      .getTimeZoneTransition('next');
    const schedule: Schedule = {
      frequency,
      interval,
      time_of_day: calendar ? time : null,
      days_of_week: frequency === 'weekly' ? days : null,
      day_of_month: frequency === 'monthly' ? day : null,
      timezone,
      starts_at: new Date(startsAt).toISOString(),
      ends_at: length === null ? null : new Date(startsAt + length * MINUTE).toISOString(),
    };
    const after =
      nearChange === null || change === null
        ? startsAt + later * MINUTE
        : change.epochMilliseconds + nearChange * MINUTE;
    return { schedule, after };
  });

it(`answers as the oracles do for ${COUNT} random schedules in ${ZONES.length} time zones`, async () => {
  let sayableByCron = 0;
  for (let done = 0; done < COUNT; done += 1000) {
    const questions = fc.sample(question, Math.min(1000, COUNT - done));
    const answers = await sql<{ next: Date | null }[]>`
      select private.next_run_at(
        jsonb_populate_record(null::public.schedules, q -> 'schedule'), to_timestamp((q ->> 'after')::float8 / 1000)
      ) as next
      from jsonb_array_elements(${sql.json(questions)}) with ordinality as question (q, place)
      order by place`;
    questions.forEach(({ schedule, after }, at) => {
      const answer = answers[at]!.next?.getTime() ?? null;
      const told = JSON.stringify({ schedule, after: new Date(after).toISOString() });
      expect(answer, `Temporal: ${told}`).toBe(byCalendar(schedule, after));
      const byCron = cron(schedule, after);
      if (byCron === undefined) return;
      sayableByCron += 1;
      expect(answer, `croner: ${told}`).toBe(byCron);
    });
  }
  expect(sayableByCron).toBeGreaterThan(COUNT / 50);
});

/** The next time by walking the calendar day by day (hour by hour) with Temporal. */
function byCalendar(schedule: Schedule, after: number): number | null {
  const start = Date.parse(schedule.starts_at);
  const isDue = (at: number) => at > after && at >= start;
  const orOver = (at: number) =>
    schedule.ends_at !== null && at > Date.parse(schedule.ends_at) ? null : at;

  if (schedule.frequency === 'once') return isDue(start) ? orOver(start) : null;
  if (schedule.frequency === 'minutes') {
    const step = schedule.interval * MINUTE;
    const missed = Math.max(0, Math.floor((after - start) / step) + 1);
    return orOver(start + missed * step);
  }

  const anchor = zoned(start, schedule.timezone).toPlainDateTime();
  const asked = zoned(after, schedule.timezone).toPlainDateTime();
  if (schedule.frequency === 'hourly') {
    const hours = Math.floor(anchor.until(asked, { largestUnit: 'hours' }).hours);
    for (let n = Math.max(0, Math.floor(hours / schedule.interval) - 60); ; n += 1) {
      const at = firstInstant(anchor.add({ hours: n * schedule.interval }), schedule.timezone);
      if (isDue(at)) return orOver(at);
    }
  }
  const time = schedule.time_of_day
    ? Temporal.PlainTime.from(schedule.time_of_day)
    : anchor.toPlainTime();
  const first = anchor.toPlainDate();
  const recent = asked.toPlainDate().subtract({ days: 3 });
  for (
    let day = Temporal.PlainDate.compare(recent, first) > 0 ? recent : first;
    ;
    day = day.add({ days: 1 })
  ) {
    if (!isDay(schedule, first, day)) continue;
    const at = firstInstant(day.toPlainDateTime(time), schedule.timezone);
    if (isDue(at)) return orOver(at);
  }
}

function isDay(schedule: Schedule, first: Temporal.PlainDate, day: Temporal.PlainDate): boolean {
  const monday = (date: Temporal.PlainDate) => date.subtract({ days: date.dayOfWeek - 1 });
  switch (schedule.frequency) {
    case 'daily':
      return first.until(day).days % schedule.interval === 0;
    case 'weekly':
      return (
        (monday(first).until(monday(day)).days / 7) % schedule.interval === 0 &&
        (schedule.days_of_week ?? [first.dayOfWeek]).includes(day.dayOfWeek)
      );
    default:
      return (
        ((day.year - first.year) * 12 + day.month - first.month) % schedule.interval === 0 &&
        day.day === Math.min(schedule.day_of_month ?? first.day, day.daysInMonth)
      );
  }
}

/** When clocks in the zone first show the local time; where they skip it, when they do. */
function firstInstant(local: Temporal.PlainDateTime, timezone: string): number {
  const earlier = local.toZonedDateTime(timezone, { disambiguation: 'earlier' });
  return earlier.toPlainDateTime().equals(local)
    ? earlier.epochMilliseconds
    : earlier.getTimeZoneTransition('next')!.epochMilliseconds;
}

/** The next time as croner has it; undefined where no cron line says the schedule. */
function cron(schedule: Schedule, after: number): number | null | undefined {
  const { frequency, interval, timezone, starts_at, ends_at } = schedule;
  if (interval !== 1 || !['daily', 'weekly', 'monthly'].includes(frequency)) return undefined;
  if (ZONES_THAT_SKIPPED_MIDNIGHT.includes(timezone)) return undefined;
  const start = Date.parse(starts_at);
  if (start % MINUTE !== 0 && !schedule.time_of_day) return undefined;
  const anchor = zoned(start, timezone);
  const day = schedule.day_of_month ?? anchor.day;
  if (frequency === 'monthly' && day > 28 && day < 31) return undefined;
  const [hour, minute] = schedule.time_of_day?.split(':').map(Number) ?? [
    anchor.hour,
    anchor.minute,
  ];
  const daysOfWeek = (schedule.days_of_week ?? [anchor.dayOfWeek]).map((iso) => iso % 7).join(',');
  const line = [
    minute,
    hour,
    frequency === 'monthly' ? (day === 31 ? 'L' : day) : '*',
    '*',
    frequency === 'weekly' ? daysOfWeek : '*',
  ].join(' ');
  const from = Math.max(after, start - 1);
  const next = new Cron(line, { timezone }).nextRun(new Date(from))?.getTime() ?? null;
  return next !== null && ends_at !== null && next > Date.parse(ends_at) ? null : next;
}

function zoned(instant: number, timezone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(timezone);
}
