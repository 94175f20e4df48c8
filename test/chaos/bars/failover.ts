import { setTimeout as delay } from 'node:timers/promises';
import { NODE_TIMEOUT_MS } from '../../support/cluster.js';
import { patiently } from '../../support/patiently.js';
import { DOWN_AFTER_MS } from '../../support/sentinel.js';
import { type FailoverFindings, judgeFailover, outageMs } from '../check/failover.js';
import { nowUs } from '../clock.js';
import type { History } from '../history/history.js';
import { DEFAULT_OPTIONS, KEY_PREFIX, type RunOptions } from '../options.js';
import { type ClusterGround, openCluster } from '../rig/cluster-ground.js';
import type { Ground } from '../rig/ground.js';
import { onStage, type RunContext } from '../rig/stage.js';
import { openTrio, type TrioGround } from '../rig/trio.js';
import type { Bar, BarOutcome } from './bar.js';
import { durableThroughput } from './durable-throughput.js';

export const DURABILITY = { replicas: 1, timeoutMs: 500 };
const BEFORE_MS = 4_000;
const AFTER_MS = 5_000;
const PAUSE_MS = 6_000;
/** Replicas that lag: stopped for so long before the primary is killed. */
const LAG_MS = 1_000;
/** What a primary has answered and not passed on is not older than this. */
const TAIL_US = 1_000_000;

/** The stretch in which the fault was at work. */
interface Stretch {
  fromUs: number;
  toUs: number;
}

export type FailoverFault<G extends Ground> = (ground: G, stretch: Stretch) => Promise<void>;

export interface FailoverRun {
  readonly history: History;
  readonly findings: FailoverFindings;
  readonly stretch: Stretch;
  readonly outageMs: number;
}

/** Runs a fleet on such a ground, does something to a server, and lets the fleet go on until the buffer is empty. */
export async function runFailover<G extends Ground>(
  open: () => Promise<G>,
  fault: FailoverFault<G>,
  more: Partial<RunOptions>,
  context: RunContext,
): Promise<FailoverRun> {
  const options: RunOptions = {
    ...DEFAULT_OPTIONS,
    producers: 2,
    consumers: 2,
    // Large, so that a pause is one of the servers and not of a full buffer.
    limit: 20_000,
    batch: 100,
    failures: 0,
    record: false,
    ...more,
  };
  const grounds: G[] = [];
  const stretch: Stretch = { fromUs: 0, toUs: 0 };
  const openOnce = async () => {
    const ground = await open();
    grounds.push(ground);
    return ground;
  };
  const act = async () => {
    const [ground] = grounds;
    if (ground === undefined) return;
    await delay(BEFORE_MS);
    stretch.fromUs = nowUs();
    await fault(ground, stretch);
    await delay(AFTER_MS);
    stretch.toUs = nowUs();
  };
  const history = await onStage(options, { ...context, log: () => {} }, act, openOnce);
  const findings = judgeFailover(history);
  return { history, findings, stretch, outageMs: outageMs(history, stretch.fromUs, stretch.toUs) };
}

const killPrimary: FailoverFault<TrioGround> = async ({ trio }) => {
  const before = await trio.primary();
  await before.kill('SIGKILL');
  await untilReplaced(trio, before.port);
};

const pausePrimary: FailoverFault<TrioGround> = async ({ trio }) => {
  const before = await trio.primary();
  await before.kill('SIGSTOP');
  await delay(PAUSE_MS);
  await before.kill('SIGCONT');
  await untilReplaced(trio, before.port);
};

const killWhileReplicasLag: FailoverFault<TrioGround> = async ({ trio }) => {
  const before = await trio.primary();
  const replicas = trio.servers.filter((server) => server !== before);
  await Promise.all(replicas.map((replica) => replica.kill('SIGSTOP')));
  await delay(LAG_MS);
  await before.kill('SIGKILL');
  await Promise.all(replicas.map((replica) => replica.kill('SIGCONT')));
  await untilReplaced(trio, before.port);
};

async function untilReplaced(trio: TrioGround['trio'], port: number): Promise<void> {
  await patiently(async () => {
    if ((await trio.primary()).port === port) throw new Error('The Sentinels still name the old primary.');
  });
}

function figuresOf(name: string, { findings, outageMs: outage }: FailoverRun): Record<string, number> {
  const { admitted, confirmed, confirmedLost, lostAt, duplicates, indeterminate } = findings;
  const figures = { Admitted: admitted, Lost: lostAt.length, Duplicates: duplicates, Indeterminate: indeterminate };
  const all = confirmed === 0 ? figures : { ...figures, Confirmed: confirmed, ConfirmedLost: confirmedLost };
  const entries = Object.entries({ ...all, OutageMs: outage });
  return Object.fromEntries(entries.map(([figure, value]) => [`${name}${figure}`, value]));
}

const within = (what: string, ms: number, limitMs: number, { history }: FailoverRun) =>
  ms <= limitMs + 2 * history.lagMs ? [] : [`${what} ${ms} ms, ${limitMs} ms allowed`];

export const SENTINEL_KILL: Bar = {
  name: 'B10',
  title: 'Sentinel: the primary is killed, shipped defaults',
  must: `no push admitted for at most ${DOWN_AFTER_MS + 3_000} ms; only what was acknowledged in the last second is lost; books exact`,
  run: async (seed, context) => {
    const run = await runFailover(openTrio, killPrimary, { seed }, context);
    const old = run.findings.lostAt.filter((at) => at < run.stretch.fromUs - TAIL_US).length;
    return {
      violations: [
        ...run.findings.violations,
        ...within('nothing admitted for', run.outageMs, DOWN_AFTER_MS + 3_000, run),
        ...(old === 0 ? [] : [`${old} lost items had been acknowledged over a second before`]),
      ],
      figures: figuresOf('kill', run),
    };
  },
};

export const SENTINEL_PAUSE: Bar = {
  name: 'B11',
  title: `Sentinel: the primary stops for ${PAUSE_MS / 1_000} s and comes back, shipped defaults`,
  must: 'nothing acknowledged is lost; no push admitted for at most 6 s',
  run: async (seed, context) => {
    const run = await runFailover(openTrio, pausePrimary, { seed }, context);
    const { violations, lostAt } = run.findings;
    return {
      violations: [
        ...violations,
        ...(lostAt.length === 0 ? [] : [`${lostAt.length} acknowledged items lost`]),
        ...within('nothing admitted for', run.outageMs, 6_000, run),
      ],
      figures: figuresOf('pause', run),
    };
  },
};

const CONFIRMED_CASES = [
  ['kill', killPrimary],
  ['pause', pausePrimary],
  ['lag', killWhileReplicasLag],
] as const;
/** Measured with two cores, which the servers of the trio share: .72 to .82. */
const MIN_THROUGHPUT = 0.6;

export const CONFIRMED: Bar = {
  name: 'B12',
  title: 'Sentinel with durability: the primary is killed, stops, is killed while its replicas lag',
  must: `nothing confirmed is lost, what is not confirmed is said to be so; at least ${MIN_THROUGHPUT * 100} % of the throughput without`,
  run: async (seed, context) => {
    const violations: string[] = [];
    let figures: Record<string, number> = {};
    for (const [name, fault] of CONFIRMED_CASES) {
      const run = await runFailover(openTrio, fault, { seed, durability: DURABILITY }, context);
      figures = { ...figures, ...figuresOf(name, run) };
      violations.push(...run.findings.violations.map((violation) => `${name}: ${violation}`));
      if (run.findings.confirmed === 0) violations.push(`${name}: nothing was confirmed`);
      const { admitted, confirmed } = run.findings;
      if (name === 'lag' && confirmed === admitted) violations.push('lag: nothing was said to be unconfirmed');
    }
    const share = await durableThroughput(DURABILITY);
    if (share < MIN_THROUGHPUT) violations.push(`throughput is ${Math.round(share * 100)} % of that without`);
    return { violations, figures: { ...figures, throughputPercent: Math.round(share * 100) } };
  },
};

const MAX_MIGRATION_GAP_MS = 1_000;
const MAX_OWNER_GAP_MS = 2 * NODE_TIMEOUT_MS + 1_000;

export const CLUSTER: Bar = {
  name: 'B13',
  title: `Cluster of six: the slot is moved under load, then its owner killed (node timeout ${NODE_TIMEOUT_MS} ms)`,
  must: `move: no error to a user, no gap over ${MAX_MIGRATION_GAP_MS} ms; kill: no gap over ${MAX_OWNER_GAP_MS} ms; only what was acknowledged in the last second is lost`,
  run: async (seed, context): Promise<BarOutcome> => {
    const moved: Stretch = { fromUs: 0, toUs: 0 };
    const fault: FailoverFault<ClusterGround> = async ({ cluster }, stretch) => {
      const slot = await cluster.slotOf(`${KEY_PREFIX}config`);
      const owner = await cluster.ownerOf(slot);
      const target = await cluster.otherThan(owner);
      moved.fromUs = nowUs();
      await cluster.moveSlot(slot, owner, target);
      await delay(BEFORE_MS / 2);
      moved.toUs = nowUs();
      // So that what the kill does is not taken for the move's.
      await delay(BEFORE_MS / 2);
      stretch.fromUs = nowUs();
      await target.kill('SIGKILL');
      await patiently(async () => {
        if ((await cluster.ownerOf(slot)) === target) throw new Error('The slot has no new owner.');
      });
    };
    const run = await runFailover(openCluster, fault, { seed }, context);
    const gapMs = outageMs(run.history, moved.fromUs, moved.toUs);
    const errors = errorsDuring(run.history, moved);
    const old = run.findings.lostAt.filter((at) => at < run.stretch.fromUs - TAIL_US).length;
    return {
      violations: [
        ...run.findings.violations,
        ...(errors === 0 ? [] : [`${errors} pushes ended in an error while the slot was moved`]),
        ...within('nothing admitted during the move for', gapMs, MAX_MIGRATION_GAP_MS, run),
        ...within('nothing admitted for', run.outageMs, MAX_OWNER_GAP_MS, run),
        ...(old === 0 ? [] : [`${old} lost items had been acknowledged over a second before`]),
      ],
      figures: { moveGapMs: gapMs, moveErrors: errors, ...figuresOf('kill', run) },
    };
  },
};

/** Pushes that began in this stretch and of which the user was told an error. */
function errorsDuring({ pushes }: History, { fromUs, toUs }: Stretch): number {
  const failed = pushes.filter(({ end }) => end !== undefined && /[xnue]/.test(end.ends));
  return failed.filter(({ invokedAt }) => invokedAt >= fromUs && invokedAt <= toUs - 1_000_000).length;
}
