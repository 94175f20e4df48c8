import { type BufferStore, sessionId } from '@backpressure/core/store';

/** Opens a session, as a producer does before its first call, which is number 2. */
export async function openSession(store: Pick<BufferStore, 'push'>, session = sessionId()): Promise<string> {
  await store.push({ token: { session, seq: 1 }, items: [] });
  return session;
}
