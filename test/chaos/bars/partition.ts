import { setTimeout as delay } from 'node:timers/promises';
import { patiently } from '../../support/patiently.js';
import { DOWN_AFTER_MS } from '../../support/sentinel.js';
import { outageMs } from '../check/failover.js';
import { nowUs } from '../clock.js';
import type { Push } from '../history/history.js';
import { isIsolated, isolationObstacle, runIsolated } from '../rig/isolation.js';
import { openSplitTrio } from '../rig/trio.js';
import type { Bar, BarOutcome } from './bar.js';
import { DURABILITY, runFailover } from './failover.js';

const PRODUCERS = 4;
const MINORITY = PRODUCERS / 2;
const CUT_MS = 20_000;
const MAX_LAG_S = 2;
/** A primary counts in whole seconds how long it has not heard of its replicas, and looks once a second. */
const MAX_ADMITTED_MS = MAX_LAG_S * 1_000 + 2_000;
const MAX_OUTAGE_MS = DOWN_AFTER_MS + 3_000;

/** B14: the primary, a Sentinel and half of the producers on one side of a network that is cut in two. */
export const PARTITION: Bar = {
  name: 'B14',
  title: `the primary and half of the producers cut off for ${CUT_MS / 1_000} s`,
  must:
    `no confirmed item lost; nothing admitted on that side that is pushed after ${MAX_ADMITTED_MS} ms; ` +
    `on the other side no push admitted for at most ${MAX_OUTAGE_MS} ms`,
  run: async (seed, context): Promise<BarOutcome> => {
    const skipped = isolationObstacle();
    if (skipped !== undefined) return { violations: [], figures: {}, skipped };
    if (!isIsolated()) return runIsolated('B14', seed, context);
    const cut = { fromUs: 0, toUs: 0 };
    let minority: readonly string[] = [];
    const run = await runFailover(
      () => openSplitTrio(MINORITY, MAX_LAG_S),
      async ({ network, trio, minority: names }) => {
        minority = names;
        const before = await trio.primary();
        cut.fromUs = nowUs();
        network.cut();
        await delay(CUT_MS);
        cut.toUs = nowUs();
        network.heal();
        await patiently(async () => {
          if ((await trio.primary()).port === before.port) throw new Error('The majority has elected nobody.');
        });
      },
      { seed, producers: PRODUCERS, durability: DURABILITY },
      context,
    );
    const { history, findings } = run;
    const isCutOff = ({ who }: Push) => minority.includes(who.replace(/\..*$/, ''));
    const inside = history.pushes.filter(isCutOff);
    const outside = history.pushes.filter((push) => !isCutOff(push));
    const lagMs = 2 * history.lagMs;
    const admittedForMs = lastAdmittedMs(inside, cut);
    const outage = outageMs({ pushes: outside }, cut.fromUs, cut.toUs);
    const refused = inside.filter((push) => isWithin(push, cut) && /^[unx]+$/.test(push.end?.ends ?? '')).length;
    const rule = (holds: boolean, violation: string) => (holds ? [] : [violation]);
    return {
      violations: [
        ...findings.violations,
        ...rule(findings.confirmed > 0, 'nothing was confirmed'),
        ...rule(admittedForMs <= MAX_ADMITTED_MS + lagMs, `the cut off side was admitted for ${admittedForMs} ms`),
        ...rule(outage <= MAX_OUTAGE_MS + lagMs, `nothing admitted on the other side for ${outage} ms`),
        ...rule(refused > 0, 'nobody on the cut off side was refused: nothing was cut'),
        ...rule(admittedAfter(inside, cut.toUs), 'the cut off side was not admitted again when the cut was healed'),
      ],
      figures: {
        admitted: findings.admitted,
        confirmed: findings.confirmed,
        confirmedLost: findings.confirmedLost,
        unconfirmedLost: findings.lostAt.length - findings.confirmedLost,
        duplicates: findings.duplicates,
        indeterminate: findings.indeterminate,
        minorityAdmittedForMs: admittedForMs,
        minorityRefusedPushes: refused,
        majorityOutageMs: outage,
        lagMs: history.lagMs,
      },
    };
  },
};

interface Stretch {
  readonly fromUs: number;
  readonly toUs: number;
}

/** How long after the cut pushes were made there that were admitted, in ms; their answers wait for the replicas. */
function lastAdmittedMs(pushes: readonly Push[], cut: Stretch): number {
  const admitted = pushes.filter((push) => isWithin(push, cut) && /[ac]/.test(push.end?.ends ?? ''));
  const lastUs = Math.max(cut.fromUs, ...admitted.map(({ invokedAt }) => invokedAt));
  return Math.round((lastUs - cut.fromUs) / 1_000);
}

function isWithin({ end }: Push, { fromUs, toUs }: Stretch): boolean {
  return end !== undefined && end.at >= fromUs && end.at <= toUs;
}

function admittedAfter(pushes: readonly Push[], us: number): boolean {
  return pushes.some(({ end }) => end !== undefined && end.at > us && /[ac]/.test(end.ends));
}
