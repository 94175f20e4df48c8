// For the sibling packages and for those who write a store of their own: not needed to use the library.
export type { CallBudget } from './buffer/call-budget.js';
export { checkClient, clientShape, parseCloseTime } from './buffer/check-client.js';
export { BufferClient, type StoreOptions } from './buffer/client.js';
export { awaitDrain, type DrainResult, parseDrainOptions } from './buffer/drain.js';
export { batchId, sessionId } from './buffer/ids.js';
export { Patience } from './buffer/patience.js';
export { checkInput, flag, oneOf, readOptions, wholeNumber } from './domain/check-input.js';
export { causeOf, type FlushEnd, settlementOf } from './domain/flush.js';
export { type ItemRecord, itemId, MAX_CHUNK_ITEMS } from './domain/item-record.js';
export { nextState, utilizationOf } from './domain/state.js';
export * from './domain/store-port.js';
export { duplicateConnection } from './redis/connection.js';
export { hangUp } from './redis/hang-up.js';
export { openRedisStore } from './redis/open-redis-store.js';
