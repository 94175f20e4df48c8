import type { BackpressureState, StoreUnavailableError } from '@backpressure/core';

/** What a producer emits. */
export interface ProducerEvents {
  /** The buffer's state changed, whoever caused it. */
  state: [change: { readonly from: BackpressureState; readonly to: BackpressureState; readonly stateEpoch: number }];
  /** Pushes of this process made older items leave the buffer (`drop_oldest`). */
  evicted: [eviction: { readonly count: number }];
  /** The fleet's flush interval changed. */
  interval: [change: { readonly fromMs: number; readonly toMs: number }];
  /** Redis has begun not to answer. Under `onUnavailable: 'hold'` pushes are held from now on. */
  away: [event: { readonly cause: StoreUnavailableError }];
  /** Redis answers again. What is held goes on its way, in order. */
  back: [event: { readonly awayMs: number; readonly pendingItems: number }];
  /** Something failed that no call can tell of, such as a sign of life. Without a listener it is dropped. */
  error: [error: unknown];
}
