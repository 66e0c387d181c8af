// @ts-check
/**
 * Numbers and times for people, in one locale and time zone. Pure: it never reads the clock.
 */

/** A longer window has the date with each time. */
const DAY_S = 86_400;

/** From here on an axis has short numbers: 12K. */
const COMPACT_FROM = 10_000;

/** @typedef {ReturnType<typeof formats>} Formats */

/**
 * @param {string} [locale] when absent, the browser's own
 * @param {string} [timeZone] when absent, the browser's own
 */
export function formats(locale, timeZone) {
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 3 });
  const small = new Intl.NumberFormat(locale, { maximumSignificantDigits: 4 });
  const day = new Intl.DateTimeFormat(locale, { timeZone, day: "numeric", month: "short" });
  const minute = new Intl.DateTimeFormat(locale, { timeZone, hour: "2-digit", minute: "2-digit" });
  const second = new Intl.DateTimeFormat(locale, { timeZone, hour: "2-digit", minute: "2-digit", second: "2-digit" });

  /** @param {number | null | undefined} value a gap is a dash */
  function number(value) {
    if (value == null) return "–";
    return (Math.abs(value) < 1 ? small : whole).format(value);
  }

  /**
   * The labels of a value axis, with just enough digits to tell neighbours apart.
   * @param {number[]} values ascending, `increment` apart
   * @param {number} increment
   */
  function numberTicks(values, increment) {
    const largest = Math.max(...values.map(Math.abs));
    const digits = Math.floor(Math.log10(largest)) - Math.floor(Math.log10(increment)) + 2;
    const tick = new Intl.NumberFormat(locale, {
      notation: largest < COMPACT_FROM ? "standard" : "compact",
      maximumSignificantDigits: Math.min(Math.max(digits, 2), 15),
    });
    return values.map((value) => tick.format(value));
  }

  /**
   * The labels of a time axis: the time of day, and the date where a new day begins.
   * @param {number[]} times_s
   * @param {number} increment_s
   */
  function timeTicks(times_s, increment_s) {
    const clock = increment_s < 60 ? second : minute;
    const days = times_s.map((time_s) => day.format(time_s * 1000));
    return times_s.map((time_s, i) => {
      const isNewDay = increment_s >= DAY_S || (i > 0 && days[i] !== days[i - 1]);
      return isNewDay ? days[i] : clock.format(time_s * 1000);
    });
  }

  /**
   * The time of a step, as short as the window allows.
   * @param {number} time_s
   * @param {{ from: number, to: number, step: number }} window
   */
  function moment(time_s, { from, to, step }) {
    const time = (step < 60 ? second : minute).format(time_s * 1000);
    return to - from > DAY_S ? `${day.format(time_s * 1000)}, ${time}` : time;
  }

  /** @param {number} time_s */
  function clock(time_s) {
    return second.format(time_s * 1000);
  }

  return { number, numberTicks, timeTicks, moment, clock };
}

/** A length of time in its widest whole unit: `10 seconds`, `hour`. @param {number} seconds */
export function duration(seconds) {
  const units = /** @type {const} */ ([[604_800, "week"], [DAY_S, "day"], [3600, "hour"], [60, "minute"], [1, "second"]]);
  const [width_s, unit] = units.find(([width_s]) => seconds % width_s === 0) ?? [1, "second"];
  const count = seconds / width_s;
  return count === 1 ? unit : `${count} ${unit}s`;
}

/**
 * The change of a number, as a share of its former value.
 * @param {number | null} now
 * @param {number | null} was
 * @returns {number | null} null where one of them is missing or the former one is zero
 */
export function changeOf(now, was) {
  return now === null || !was ? null : (now - was) / Math.abs(was);
}
