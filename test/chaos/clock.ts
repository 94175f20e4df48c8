/** Monotonic time in whole µs. CLOCK_MONOTONIC is one clock for all processes of a machine, so journals can be merged by it. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
