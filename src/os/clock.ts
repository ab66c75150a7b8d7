const [seconds, nanoseconds] = process.hrtime();
const OFFSET_MS = seconds * 1000 + nanoseconds / 1e6 - performance.now();

/**
 * Milliseconds of CLOCK_MONOTONIC, with a fraction: the same in all threads of this machine. `performance.now()` costs less than
 * `hrtime` and makes no garbage, but starts at zero in each thread.
 */
export const monotonicMs = (): number => performance.now() + OFFSET_MS;

/** Nanoseconds of the same clock. */
export const monotonicNs = (): bigint => process.hrtime.bigint();
