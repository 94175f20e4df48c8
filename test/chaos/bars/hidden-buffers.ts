import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { DEFAULT_OPTIONS } from '../options.js';
import type { FloodReport } from '../process/flood.js';
import { memberId } from '../process/spec.js';
import { MemberProcess } from '../rig/member-process.js';
import { ChaosRedis } from '../rig/redis.js';
import type { Bar } from './bar.js';

const MAX_GROWTH_BYTES = 64 * 1024 * 1024;
/** On a busy machine a million pushes take minutes; how long says nothing of what is held. */
const PATIENCE_MS = 400_000;
const MEGABYTE = 1024 * 1024;
/**
 * On a machine with much memory V8 lets garbage lie, up to gigabytes; how much says nothing of what is held. In a heap as
 * small as this the process dies when it holds more than 10,000 pending pushes need.
 */
const HEAP = ['--max-old-space-size=64'];

/** B16: no queue hides in front of the bounded buffer, whether Redis refuses connections or takes them and says nothing. */
export const HIDDEN_BUFFERS: Bar = {
  name: 'B16',
  title: 'Redis refused, then hung, and 1,000,000 pushes each time',
  must: 'in a heap of 64 MB, memory grows by at most 64 MB; every push ends within its deadline + 10 %',
  run: async (seed, { log }) => {
    const violations: string[] = [];
    const figures: Record<string, number> = {};
    for (const [how, silence] of WAYS) {
      log(`  ${how}`);
      const report = await floodThrough(silence, seed);
      for (const fault of judge(report)) violations.push(`${how}: ${fault}`);
      figures[`${how}GrowthMb`] = Math.round((report.rssPeakBytes - report.rssBeforeBytes) / MEGABYTE);
      figures[`${how}SlowestMs`] = Math.round(report.slowestMs);
      figures[`${how}LagMs`] = report.lagMs;
      figures[`${how}Refused`] = report.refused;
      figures[`${how}Threw`] = report.threw;
    }
    return { violations, figures };
  },
};

type Silence = (proxy: TcpProxy) => Promise<void> | void;
const WAYS: readonly (readonly [string, Silence])[] = [
  ['refused', (proxy) => proxy.refuse()],
  ['hung', (proxy) => proxy.blackHole()],
];

async function floodThrough(silence: Silence, seed: number): Promise<FloodReport> {
  const dir = mkdtempSync(join(tmpdir(), 'backpressure-chaos-'));
  const redis = await ChaosRedis.open();
  const proxy = await TcpProxy.start(redis.url);
  await silence(proxy);
  const options = { ...DEFAULT_OPTIONS, seed };
  const address = { kind: 'url' as const, url: proxy.url };
  const spec = { role: 'flood' as const, name: 'flood', incarnation: 1, address, dir, options };
  const flood = new MemberProcess(spec, { nodeOptions: HEAP });
  try {
    const path = join(dir, `flood-${memberId(spec)}.json`);
    for (const until = performance.now() + PATIENCE_MS; !existsSync(path) && flood.running; await delay(100)) {
      if (performance.now() > until) throw new Error('The flood did not end.');
    }
    if (!existsSync(path)) throw new Error(`The flood died: ${flood.end?.said ?? ''}`);
    await delay(50);
    return JSON.parse(readFileSync(path, 'utf8')) as FloodReport;
  } finally {
    await flood.kill();
    await proxy.close();
    await redis.stop();
    rmSync(dir, { recursive: true });
  }
}

function judge(report: FloodReport): string[] {
  const { pushes, settled, accepted, strange, slowestMs, deadlineMs, lagMs, rssBeforeBytes, rssPeakBytes } = report;
  const growth = rssPeakBytes - rssBeforeBytes;
  return [
    ...(growth <= MAX_GROWTH_BYTES ? [] : [`memory grew by ${Math.round(growth / MEGABYTE)} MB`]),
    ...(settled === pushes ? [] : [`${pushes - settled} of ${pushes} pushes never ended`]),
    ...(slowestMs <= deadlineMs * 1.1 + 2 * lagMs
      ? []
      : [`a push took ${Math.round(slowestMs)} ms, its deadline was ${deadlineMs}`]),
    ...(accepted === 0 ? [] : [`${accepted} pushes were accepted by nobody`]),
    ...(strange === 0 ? [] : [`${strange} pushes threw something unexpected`]),
  ];
}
