import { MemoryStore } from '@backpressure/core/testing';
import type { OpenedStore } from './rig.js';

/** A memory store on a virtual clock. */
export async function openMemoryStore(): Promise<OpenedStore> {
  let nowMs = 1_700_000_000_000;
  const store = new MemoryStore('conformance', { now: () => nowMs });
  return {
    store,
    advance: async (ms) => {
      nowMs += ms;
    },
    dispose: () => store.close(),
  };
}
