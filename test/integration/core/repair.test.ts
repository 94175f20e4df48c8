import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { DAMAGES } from '../../chaos/bars/damage.js';
import { sufferFrom } from '../../chaos/bars/fuzzed-ledger.js';

/** One of each kind; `pnpm chaos --bars B23` does all of it to every key. */
const TELLING = [
  'config with nonsense',
  'state deleted',
  'state.inFlight overwritten',
  'ready:normal deleted',
  'batch deleted',
  'batches of another type',
  'leases deleted',
  'tickets of another type',
  'events with nonsense',
];

let looker: Redis;

beforeAll(() => {
  looker = new Redis(inject('operatorUrl'));
});

afterAll(() => looker.disconnect());

describe('R17, B23: somebody else deletes or overwrites a key', () => {
  const damages = DAMAGES.filter(({ name }) => TELLING.includes(name));
  it.concurrent.each(damages.map((damage) => [damage.name, damage] as const))(
    '%s: typed errors only, and a repair says what is lost and has the rest flushed',
    async (_name, damage) => {
      const after = await sufferFrom(damage, { url: inject('redisUrl'), looker, name: `repair-${randomUUID()}` });
      expect(after.faults).toEqual([]);
    },
  );
});
