import { nowUs } from '../clock.js';
import type { Journal } from '../history/journal.js';
import type { StallLine } from '../history/lines.js';

const WATCH_MS = 50;
/** Less is the ordinary noise of a busy machine. */
const STALL_MS = 250;

/**
 * Writes down when this process was not served by the machine for a while, which may cost a lease as surely as a fault.
 * Returns the function that ends it.
 */
export function watchStalls(journal: Journal<StallLine>): () => void {
  let lastUs = nowUs();
  const timer = setInterval(() => {
    const at = nowUs();
    const ms = Math.round((at - lastUs) / 1_000) - WATCH_MS;
    lastUs = at;
    if (ms >= STALL_MS) journal.write({ kind: 'stall', at, ms });
  }, WATCH_MS);
  return () => clearInterval(timer);
}
