import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster } from '../../support/cluster.js';
it('x', async () => {
  const t = performance.now();
  const c = await startCluster();
  process.stderr.write(`${performance.now() - t}\n`);
  const slot = await c.slotOf('bp:{x}:a');
  const o = await c.ownerOf(slot);
  await c.client.set('bp:{x}:a', 1);
  await c.moveSlot(slot, o, await c.otherThan(o));
  expect(await c.client.get('bp:{x}:a')).toBe('1');
  process.stderr.write(`${performance.now() - t}\n`);
  await c.stop();
  process.stderr.write(`${performance.now() - t}\n`);
});
