import type { Plant } from '../engine/plant.js';
import { LimitController } from './limit-controller.js';

const LONG_WINDOW = 600;
const WARM_UP = 10;
const QUEUE = 4;
const SMOOTHING = 0.2;
const TOLERANCE = 1.5;

/** Netflix' `Gradient2Limit` with its defaults, but a least limit of 1: limit × clamp(1.5 × long ÷ short, ½, 1) + 4, smoothed. */
export function gradient2(plant: Plant): LimitController {
  let longMs = 0;
  let seen = 0;
  let sum = 0;
  const average = (latencyMs: number) => {
    seen++;
    if (seen <= WARM_UP) {
      sum += latencyMs;
      longMs = sum / seen;
    } else {
      longMs += (latencyMs - longMs) * (2 / (LONG_WINDOW + 1));
    }
    return longMs;
  };
  return new LimitController(plant, {
    initial: 20,
    next: (limit, { meanLatencyMs, maxInFlight }) => {
      if (meanLatencyMs === 0) return limit;
      const long = average(meanLatencyMs);
      if (long / meanLatencyMs > 2) longMs *= 0.95;
      if (maxInFlight < limit / 2) return limit;
      const gradient = Math.max(0.5, Math.min(1, (TOLERANCE * long) / meanLatencyMs));
      return limit * (1 - SMOOTHING) + (limit * gradient + QUEUE) * SMOOTHING;
    },
  });
}
