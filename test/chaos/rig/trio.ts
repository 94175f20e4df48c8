import { type SentinelTrio, startSentinelTrio } from '../../support/sentinel.js';
import { producerName } from '../plan/schedule.js';
import type { Ground } from './ground.js';
import { SplitNetwork } from './split-network.js';

/** A primary, two replicas and three Sentinels. */
export interface TrioGround extends Ground {
  readonly trio: SentinelTrio;
}

const ARGS = ['--appendonly', 'yes', '--maxmemory-policy', 'noeviction'];

export async function openTrio(): Promise<TrioGround> {
  const trio = await startSentinelTrio(ARGS);
  return { address: { kind: 'sentinels', ...trio.connection }, trio, stop: () => trio.stop() };
}

/** A trio of which the primary, one Sentinel and the first producers are in a network of their own. */
export interface SplitGround extends TrioGround {
  readonly network: SplitNetwork;
  /** The names of those producers. */
  readonly minority: readonly string[];
}

/** With so many producers there; and a primary that takes no writes when it has not heard of a replica for so long. */
export async function openSplitTrio(producers: number, maxLagS: number): Promise<SplitGround> {
  const network = await SplitNetwork.open();
  const { here, there } = network;
  const alone = ['--min-replicas-to-write', '1', '--min-replicas-max-lag', String(maxLagS)];
  try {
    const trio = await startSentinelTrio([...ARGS, ...alone], [there, here, here]);
    const minority = Array.from({ length: producers }, (_, i) => producerName(i));
    return {
      address: { kind: 'sentinels', ...trio.connection },
      trio,
      network,
      minority,
      enter: (place) => (minority.includes(place) ? there.enter : here.enter),
      stop: async () => {
        await trio.stop();
        await network.close();
      },
    };
  } catch (error) {
    await network.close();
    throw error;
  }
}
