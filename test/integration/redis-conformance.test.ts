import { inject } from 'vitest';
import { describeStore } from '../conformance/index.js';
import { openVirtualClockStore } from '../support/virtual-clock-store.js';

describeStore('RedisStore', () => openVirtualClockStore(inject('redisUrl')));
