import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { scripts } from '../../../packages/core/src/redis/scripts.generated.js';

/** Of the 200 local names that Lua has room for in one function; two changes that each fit may not do so together. */
const SPARE_NAMES = 10;

it.each(Object.values(scripts).map((script) => [script.name, script.lua] as const))(
  '%s has room for a few more names',
  async (_, lua) => {
    const redis = new Redis(inject('operatorUrl'));
    onTestFinished(() => redis.disconnect());
    const names = Array.from({ length: SPARE_NAMES }, (__, i) => `spare_${i}`).join(', ');
    expect(await redis.script('LOAD', lua.replace('\n', `\nlocal ${names}\n`))).toMatch(/^[0-9a-f]{40}$/);
  },
);
