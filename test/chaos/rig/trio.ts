import { type SentinelTrio, startSentinelTrio } from '../../support/sentinel.js';
import type { Ground } from './ground.js';

/** A primary, two replicas and three Sentinels. */
export interface TrioGround extends Ground {
  readonly trio: SentinelTrio;
}

export async function openTrio(): Promise<TrioGround> {
  const trio = await startSentinelTrio(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
  return { address: { kind: 'sentinels', ...trio.connection }, trio, stop: () => trio.stop() };
}
