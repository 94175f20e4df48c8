/** The priority lanes of a buffer, highest first. */
export const LANES = ['high', 'normal', 'low'] as const;

/** A priority lane. `high` is served first; the others keep a guaranteed share (see `take` in docs/design.md). */
export type Lane = (typeof LANES)[number];

/** Rank of a lane: 0 is the highest. */
export function laneRank(lane: Lane): number {
  return LANES.indexOf(lane);
}

/**
 * The lane that the n-th batch takes from first, so that no lane starves: of ten batches the high lane leads seven,
 * the normal lane two and the low lane one. What the leading lane cannot fill goes to the others, highest first.
 */
export function leadingLane(takeCount: number): Lane {
  const turn = takeCount % 10;
  if (turn < 7) return 'high';
  return turn < 9 ? 'normal' : 'low';
}
