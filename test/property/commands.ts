import type { GateRequest, OnConfigMismatch, WaitMode } from '@backpressure/core/store';
import type { BackpressureOptions } from '../../packages/core/src/domain/config.js';
import type { Lane } from '../../packages/core/src/domain/lane.js';

/**
 * What several clients do to one buffer, as plain data: a counterexample can be printed, kept, and run again against
 * any store. A `pick` chooses among what earlier commands have made, modulo their number; with nothing to choose from
 * a command does nothing.
 */
export type Command =
  | { readonly op: 'push'; readonly client: number; readonly items: readonly ItemSpec[] }
  /** Offers items that wait in line again. */
  | { readonly op: 'pushHeld'; readonly client: number; readonly pick: number; readonly count: number }
  /** Sends an earlier push again: replayed when it was the last of its session, else stale. */
  | { readonly op: 'repeatPush'; readonly pick: number }
  /** Resolves a call that never arrived; then it arrives. */
  | { readonly op: 'resolve'; readonly client: number; readonly items: readonly ItemSpec[] }
  /** A second call of a session that the store does not know. */
  | { readonly op: 'forgottenSession' }
  | { readonly op: 'take' }
  /** Takes under an id that was used before, whatever became of the batch. */
  | { readonly op: 'repeatTake'; readonly pick: number }
  /** Settles any batch that was ever taken, in time or late. */
  | ({ readonly op: 'settle'; readonly pick: number; readonly next: boolean } & SettleSpec)
  | { readonly op: 'repeatSettle'; readonly pick: number }
  | { readonly op: 'extend'; readonly pick: number }
  | { readonly op: 'advance'; readonly ms: number }
  | { readonly op: 'patch'; readonly options: BackpressureOptions }
  | { readonly op: 'declare'; readonly options: BackpressureOptions; readonly onConfigMismatch: OnConfigMismatch }
  | { readonly op: 'gate'; readonly request: GateRequest }
  | { readonly op: 'renew'; readonly pick: number; readonly count: number }
  | { readonly op: 'cancel'; readonly pick: number; readonly reason: 'timeout' | 'aborted'; readonly twice: boolean }
  | { readonly op: 'redrive'; readonly action: 'redrive' | 'discard'; readonly picks: readonly number[] | undefined }
  | { readonly op: 'purge' }
  | { readonly op: 'heartbeat'; readonly client: number; readonly ttlMs: number };

/** The command of one name. */
export type Op<Name extends Command['op']> = Extract<Command, { op: Name }>;

export interface ItemSpec {
  readonly lane: Lane;
  readonly payload: string;
  readonly wait: WaitMode;
}

export interface SettleSpec {
  readonly kind: 'acked' | 'failed' | 'items' | 'released';
  /** For `items`: one letter per item, repeated as needed. For `failed` and `released`: which were acked before. */
  readonly outcomes: readonly ('acked' | 'retry' | 'dead')[];
  readonly latencyMs: number | undefined;
  readonly jitter: number;
  readonly retryAfterMs: number;
}

/** One run: a buffer and what is done to it. */
export interface Scenario {
  readonly options: BackpressureOptions;
  readonly commands: readonly Command[];
}
