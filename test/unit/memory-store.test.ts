import { MemoryStore } from '@backpressure/core/testing';
import { describe, expect, it } from 'vitest';
import { describeStore } from '../conformance/index.js';
import { openMemoryStore } from '../conformance/open-memory-store.js';

describeStore('MemoryStore', openMemoryStore);

describe('MemoryStore', () => {
  it('calls back after the call, never within it', async () => {
    const { store } = await openMemoryStore();
    await store.configure({ action: 'declare', stated: {}, complete: {}, onConfigMismatch: 'error' });
    let heard = 0;
    await store.subscribe(() => heard++);
    const call = store.gate({ action: 'resume' });
    expect(heard).toBe(0);
    await call;
    expect(heard).toBe(1);
  });

  it('refuses every call once it is closed', async () => {
    const store = new MemoryStore('orders');
    await store.close();
    await expect(store.snapshot()).rejects.toMatchObject({ code: 'BP_CLOSED' });
    await expect(store.config()).rejects.toMatchObject({ code: 'BP_CLOSED' });
  });

  it('refuses a configuration that is not valid, and keeps the one it has', async () => {
    const { store } = await openMemoryStore();
    const bad = { maxBufferSize: '0' };
    const declare = { action: 'declare', stated: bad, complete: bad, onConfigMismatch: 'error' } as const;
    await expect(store.configure(declare)).rejects.toMatchObject({ code: 'BP_CONFIG' });
    expect(await store.config()).toBeUndefined();
    await store.configure({ ...declare, stated: {}, complete: {} });
    await expect(store.configure({ action: 'patch', fields: bad })).rejects.toMatchObject({ code: 'BP_CONFIG' });
    expect((await store.config())?.version).toBe(1);
  });
});
