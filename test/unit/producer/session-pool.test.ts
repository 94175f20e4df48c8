import { StoreOutOfMemoryError, type StoreToken, StoreUnavailableError, TokenExpiredError } from '@backpressure/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Session, SessionPool } from '../../../packages/producer/src/session-pool.js';

afterEach(() => vi.useRealTimers());

const echo = async (token: StoreToken, session: Session) => {
  await session.open(async () => {});
  return token;
};
function openPromise() {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const HALF_HOUR_MS = 1_800_000;

describe('SessionPool', () => {
  it('counts up in one session while calls come one after the other', async () => {
    const pool = new SessionPool(4);
    const tokens = [await pool.run(echo), await pool.run(echo), await pool.run(echo)];
    expect(new Set(tokens.map((token) => token.session)).size).toBe(1);
    expect(tokens.map((token) => token.seq)).toEqual([2, 3, 4]);
  });

  it('has one call in flight per session', async () => {
    const pool = new SessionPool(2);
    const { promise, resolve } = openPromise();
    const calls = [1, 2].map(() => pool.run((token) => promise.then(() => token)));
    expect(pool.hasFree).toBe(false);
    await expect(pool.run(echo)).rejects.toThrow('No session is free');
    resolve();
    const [a, b] = await Promise.all(calls);
    expect(a?.session).not.toBe(b?.session);
    expect(pool.hasFree).toBe(true);
  });

  it('never uses a session again whose call failed', async () => {
    const pool = new SessionPool(1);
    const used: StoreToken[] = [];
    const fail = pool.run(async (token) => {
      used.push(token);
      throw new StoreUnavailableError('gone', { outcome: 'unknown', token });
    });
    await expect(fail).rejects.toThrow('gone');
    const next = await pool.run(echo);
    expect(next.session).not.toBe(used[0]?.session);
    expect(next.seq).toBe(2);
  });

  it('goes on in a session in which nothing was sent, and opens it once', async () => {
    const pool = new SessionPool(1);
    const used: StoreToken[] = [];
    const opened: StoreToken[] = [];
    const call = (failure?: Error) =>
      pool.run(async (token, session) => {
        await session.open(async (opening) => opened.push(opening));
        used.push(token);
        if (failure !== undefined) throw failure;
      });
    await expect(call(new StoreOutOfMemoryError(undefined))).rejects.toThrow('maxmemory');
    await call();
    const session = used[0]?.session;
    expect(used).toEqual([
      { session, seq: 2 },
      { session, seq: 3 },
    ]);
    expect(opened).toEqual([{ session, seq: 1 }]);
  });

  it('tries once more in a new session when the record is gone, and not twice', async () => {
    const pool = new SessionPool(1);
    const used: StoreToken[] = [];
    const expired = async (token: StoreToken): Promise<never> => {
      used.push(token);
      throw new TokenExpiredError(token);
    };
    await expect(pool.run(expired)).rejects.toBeInstanceOf(TokenExpiredError);
    expect(new Set(used.map((token) => token.session)).size).toBe(2);
    expect(used.map((token) => token.seq)).toEqual([2, 2]);
    const { session } = await pool.run(echo);
    expect(used.map((token) => token.session)).not.toContain(session);
  });

  it('replaces a session that was idle for more than half the time that the store remembers it', async () => {
    vi.useFakeTimers();
    const pool = new SessionPool(1);
    const first = await pool.run(echo);
    vi.advanceTimersByTime(HALF_HOUR_MS);
    const second = await pool.run(echo);
    expect(second).toEqual({ session: first.session, seq: 3 });
    vi.advanceTimersByTime(HALF_HOUR_MS + 1);
    const third = await pool.run(echo);
    expect(third.session).not.toBe(first.session);
    expect(third.seq).toBe(2);
  });
});
