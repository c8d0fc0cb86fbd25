import { createSubscriber } from 'svelte/reactivity';

const TICK_MS = 15_000;

/** One timer for all relative times of a page, running only while one is shown. */
class Clock {
  #subscribe = createSubscriber((update) => {
    const timer = setInterval(update, TICK_MS);
    return () => clearInterval(timer);
  });

  get now(): Date {
    this.#subscribe();
    return new Date();
  }
}

export const clock = new Clock();
