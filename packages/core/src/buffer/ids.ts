import { randomBytes, randomUUID } from 'node:crypto';

/** A new session id: 96 random bits in 16 characters. */
export function sessionId(): string {
  return randomBytes(12).toString('base64url');
}

/** A new batch id. Random and never a counter, so that no failover can make two batches collide. */
export function batchId(): string {
  return randomUUID();
}
