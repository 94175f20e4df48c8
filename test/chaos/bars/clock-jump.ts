import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { recoveryTimes } from '../check/recovery.js';
import { nowUs } from '../clock.js';
import { examine } from '../execute.js';
import { DEFAULT_OPTIONS } from '../options.js';
import type { PlannedFault } from '../plan/faults.js';
import { ChaosRedis } from '../rig/redis.js';
import { buildShim, shimObstacle } from '../rig/shim.js';
import { onStage, type Stage } from '../rig/stage.js';
import type { Bar } from './bar.js';

const LEASE_MS = 2_000;
const JUMP_S = 60;
const JUMPS = [
  { atMs: 2_500, offsetS: JUMP_S },
  { atMs: 10_500, offsetS: 0 },
];
/** Half of the consumers are killed right before each jump, so that leases are open across it whose owners are gone. */
const KILLS: readonly PlannedFault[] = JUMPS.flatMap(({ atMs }) =>
  ['c0', 'c1'].map((target) => ({ fault: 'kill-consumer' as const, atMs: atMs - 100, forMs: 0, target })),
);
/** Long enough for every slot to have a batch in its hands at any time. */
const FLUSH_MS = [100, 400] as const;
const LENGTH_MS = 18_000;
const MAX_REDELIVERY_MS = 2 * LEASE_MS + 500;

/** B20: the clock of Redis jumps a minute ahead, and later a minute back. */
export const CLOCK_JUMP: Bar = {
  name: 'B20',
  title: `the clock of Redis jumps ${JUMP_S} s ahead, then back`,
  must: `lost 0; what a killed consumer held is redelivered within two leases (${MAX_REDELIVERY_MS} ms)`,
  run: async (seed, context) => {
    const skipped = shimObstacle();
    if (skipped !== undefined) return { violations: [], figures: {}, skipped };
    const dir = mkdtempSync(join(tmpdir(), 'backpressure-chaos-'));
    const clock = join(dir, 'clock');
    writeFileSync(clock, Buffer.alloc(8));
    const environment = { LD_PRELOAD: buildShim('clock', dir), CHAOS_CLOCK: clock };
    const options = {
      ...DEFAULT_OPTIONS,
      seed,
      seconds: LENGTH_MS / 1_000,
      leaseMs: LEASE_MS,
      flushMs: FLUSH_MS,
      failures: 0,
    };
    try {
      const history = await onStage(
        options,
        context,
        (stage) => jump(stage, clock),
        () => ChaosRedis.open({ environment }),
      );
      const { summary } = await examine(history);
      const { redeliveryMs } = recoveryTimes(history);
      const worstMs = Math.max(0, ...redeliveryMs);
      const allowedMs = MAX_REDELIVERY_MS + 2 * history.lagMs;
      const late = worstMs <= allowedMs ? [] : [`redelivered after ${worstMs} ms`];
      const nothing = redeliveryMs.length > 0 ? [] : ['nobody was killed with a batch: the bar shows nothing'];
      const { flushed = 0, duplicates = 0 } = summary.figures;
      return {
        violations: [...summary.violations, ...late, ...nothing],
        figures: {
          flushed,
          duplicates,
          redelivered: redeliveryMs.length,
          redeliveryMaxMs: worstMs,
          lagMs: history.lagMs,
        },
      };
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
};

async function jump({ injector, context: { signal } }: Stage, clock: string): Promise<void> {
  const startedUs = nowUs();
  const kills = injector.carryOut(KILLS, startedUs, signal);
  for (const { atMs, offsetS } of JUMPS) {
    await delay(Math.max(0, atMs - (nowUs() - startedUs) / 1_000), undefined, { signal });
    const fromUs = nowUs();
    setOffset(clock, offsetS);
    // Its effect lasts as long as a lease that was granted before it.
    injector.records.push({ fault: 'clock-jump', value: offsetS, fromUs, toUs: fromUs + (JUMP_S + 2) * 1_000_000 });
  }
  await kills;
  await delay(Math.max(0, LENGTH_MS - (nowUs() - startedUs) / 1_000), undefined, { signal });
}

/** The server has the file mapped, so it is written in place. */
function setOffset(path: string, seconds: number): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(seconds));
  writeFileSync(path, bytes, { flag: 'r+' });
}
