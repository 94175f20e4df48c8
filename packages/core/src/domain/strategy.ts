/** What happens to an item for which there is no room. */
export const BackpressureStrategy = {
  /** Wait for room, first come first served. */
  BLOCK: 'block',
  /** Evict the oldest waiting item. */
  DROP_OLDEST: 'drop_oldest',
  /** Refuse the newcomer. */
  DROP_NEWEST: 'drop_newest',
  /** Thin out what is offered while the buffer is not NORMAL; refuse when it is full. */
  SAMPLE: 'sample',
} as const;

/** One of the values of {@link BackpressureStrategy}. */
export type BackpressureStrategy = (typeof BackpressureStrategy)[keyof typeof BackpressureStrategy];
