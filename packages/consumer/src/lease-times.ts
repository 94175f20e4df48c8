/** What the store granted, on the local monotonic clock. */
export interface Grant {
  /** When the call that granted or renewed the lease was sent: the lease can't have begun earlier. */
  readonly sentAtMs: number;
  readonly leaseMs: number;
}

/** After this share of the lease it is renewed: two more attempts fit before the flush is aborted. */
const RENEW_SHARE = 1 / 3;
/** After this share of the lease a flush that could not renew it is aborted, and has the rest to stop. */
const ABORT_SHARE = 2 / 3;

/** When to renew. */
export function renewAtMs({ sentAtMs, leaseMs }: Grant): number {
  return sentAtMs + leaseMs * RENEW_SHARE;
}

/** When to abort; a flush is not started after this. */
export function abortAtMs({ sentAtMs, leaseMs }: Grant): number {
  return sentAtMs + leaseMs * ABORT_SHARE;
}

/** When the store may give the batch to another. */
export function endsAtMs({ sentAtMs, leaseMs }: Grant): number {
  return sentAtMs + leaseMs;
}
