import type { Plant } from '../engine/plant.js';
import type { Random } from '../engine/random.js';
import { LimitController } from './limit-controller.js';

const PROBE_MULTIPLIER = 30;
const log10 = (limit: number) => Math.max(1, Math.floor(Math.log10(Math.max(1, limit))));

/** Netflix' `VegasLimit` with its defaults: the queue is limit × (1 − unqueued ÷ now), and is kept between 3 and 6 logs. */
export function vegas(plant: Plant, random: Random): LimitController {
  let unqueuedMs = 0;
  let probeAfter = random.between(0.5, 1);
  let count = 0;
  const next = (limit: number, latencyMs: number, inFlight: number, dropped: boolean) => {
    const log = log10(limit);
    const queue = Math.ceil(limit * (1 - unqueuedMs / latencyMs));
    if (dropped) return limit - log;
    if (inFlight * 2 < limit) return limit;
    if (queue <= log) return limit + 6 * log;
    if (queue < 3 * log) return limit + log;
    return queue > 6 * log ? limit - log : limit;
  };
  return new LimitController(plant, {
    initial: 20,
    next: (limit, { meanLatencyMs, maxInFlight, dropped }) => {
      if (meanLatencyMs === 0) return dropped ? limit - log10(limit) : limit;
      count++;
      if (probeAfter * PROBE_MULTIPLIER * limit <= count) {
        [probeAfter, count, unqueuedMs] = [random.between(0.5, 1), 0, meanLatencyMs];
        return limit;
      }
      if (unqueuedMs === 0 || meanLatencyMs < unqueuedMs) {
        unqueuedMs = meanLatencyMs;
        return limit;
      }
      return next(limit, meanLatencyMs, maxInFlight, dropped);
    },
  });
}
