/** How numbers read in the live view, the lines and the report. */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function count(value: number): string {
  return whole.format(value);
}

/** `12.3 s`, right-aligned so that lines stand under each other. */
export function atSeconds(elapsedMs: number): string {
  return `${(elapsedMs / 1000).toFixed(1).padStart(5)} s`;
}

export function milliseconds(value: number): string {
  return `${count(value)} ms`;
}

/** `timeout 1,203 · full 12`, largest first; `none` when there is nothing. */
export function byReason(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).filter(([, value]) => value > 0);
  entries.sort(([, a], [, b]) => b - a);
  return entries.length === 0 ? 'none' : entries.map(([reason, value]) => `${reason} ${count(value)}`).join(' · ');
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** The middle value; undefined for none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
