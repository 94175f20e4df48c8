import type { Plant } from '../engine/plant.js';
import { LimitController } from './limit-controller.js';

/** Netflix' `AIMDLimit`: × 0.9 on a drop, + 1 while at least half of the limit is in use. */
export const aimd = (plant: Plant) =>
  new LimitController(plant, {
    initial: 20,
    next: (limit, { dropped, maxInFlight }) => {
      if (dropped) return Math.floor(limit * 0.9);
      return maxInFlight * 2 >= limit ? limit + 1 : limit;
    },
  });
