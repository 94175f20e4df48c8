import { spawnSync } from 'node:child_process';
import type { Bar } from './bar.js';

/** B14 needs a primary, a replica and a sentinel on both sides of a network that is cut in two. */
export const PARTITION: Bar = {
  name: 'B14',
  title: 'the primary and half of the producers cut off for 20 s',
  must: 'no confirmed item lost; pushes of the minority refused',
  run: async () => {
    const namespaces = spawnSync('ip', ['netns', 'list']).status === 0;
    const skipped = namespaces
      ? 'the rig has one server; the Sentinel trio and its confirmed pushes are tested in test/fault/redis'
      : 'no network namespaces here';
    return { violations: [], figures: {}, skipped };
  },
};
