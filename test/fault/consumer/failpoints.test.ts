import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { BackpressureConsumer } from '@backpressure/consumer';
import { BackpressureAdmin, type BufferSpec, defineBuffer } from '@backpressure/core';
import { openRedisStore } from '@backpressure/core/store';
import { expect, inject, it, onTestFinished } from 'vitest';
import { ledgerFaults } from '../../conformance/ledger-check.js';
import { bufferName, feed, numbers } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';
import { withLoopLag } from '../../support/loop-lag.js';
import { kindOf, POINTS, type Scenario } from './failpoints.js';

const redisUrl = inject('redisUrl');
const program = fileURLToPath(new URL('./failpoint-process.mjs', import.meta.url));
const ITEMS = numbers(8);
const LEASE_MS = 1_000;
const INTERVAL_MS = 5;
const REDELIVERY_MS = LEASE_MS + INTERVAL_MS + 500;
/** Forty heirs at once on a busy machine; `pnpm chaos --bars B5` measures a fleet that is not. */
const BUSY_MS = 8_000;

const OPTIONS = {
  batchSize: 4,
  strategy: 'drop_newest',
  control: { algorithm: 'fixed' },
  minFlushIntervalMs: INTERVAL_MS,
  leaseMs: LEASE_MS,
  flushTimeoutMs: LEASE_MS - 100,
  maxAttempts: 100,
  backoff: { delayMs: 20 },
} as const;

/** What a victim last told of itself. */
interface Account {
  readonly name: string;
  readonly passed: readonly string[];
  /** The items whose flush had ended well. */
  readonly flushed: readonly number[];
}

/** A buffer with eight items, a victim that stops at the point, and an heir in this process that waits for its turn. */
async function openCase(scenario: Scenario, point: string) {
  const spec: BufferSpec<number> = { name: bufferName(), ...OPTIONS };
  const buffer = defineBuffer(spec);
  const admin = new BackpressureAdmin(buffer, { connection: redisUrl });
  const store = openRedisStore(buffer.name, redisUrl);
  const delivered: { readonly item: number; readonly atMs: number }[] = [];
  const heir = new BackpressureConsumer<number>(
    buffer,
    (items) => void delivered.push(...items.map((item) => ({ item, atMs: performance.now() }))),
    { connection: redisUrl, concurrency: 1 },
  );
  onTestFinished(async () => {
    await heir.close();
    await admin.destroy();
    await store.close();
    await admin.close();
  });
  await admin.status();
  await feed(store, ITEMS);
  const startHeir = async () => {
    heir.pause();
    await heir.start();
  };
  return { scenario, point, spec, store, heir, startHeir, delivered };
}

type Case = Awaited<ReturnType<typeof openCase>>;

/** Starts one process with all victims. Resolves with what they told when each is at its point. */
async function stopAtPoints(cases: readonly Case[]) {
  const victims = cases.map(({ spec, scenario, point }) => ({ buffer: spec, scenario, point }));
  const child = fork(program, [JSON.stringify({ redisUrl, victims })], { execArgv: [] });
  const exit = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  const accounts = new Map<string, Account>();
  child.on('message', (account: Account) => accounts.set(account.name, account));
  await eventually(() => {
    const waiting = cases.filter(({ spec, point }) => accounts.get(spec.name)?.passed.at(-1) !== point);
    expect(waiting.map(({ scenario, point }) => `${scenario}: ${point}`)).toEqual([]);
  });
  const kill = async () => {
    child.kill('SIGKILL');
    await exit;
    expect(child.signalCode).toBe('SIGKILL');
  };
  return { accounts, kill };
}

/** What is wrong after the heir has done its work; nothing, one hopes. */
async function faultsOf({ store, delivered }: Case, settledBefore: number, account: Account): Promise<string[]> {
  const inherited = delivered.map(({ item }) => item);
  const lost = ITEMS.filter((item) => !inherited.includes(item) && !account.flushed.includes(item));
  const twice = inherited.filter((item, i) => inherited.indexOf(item) !== i);
  const { counters, vitals, ...snapshot } = await store.snapshot();
  return [
    ...lost.map((item) => `item ${item} is lost`),
    ...twice.map((item) => `item ${item} was delivered twice to the heir`),
    // What is neither lost nor was settled is the heir's, and nothing else is.
    ...(inherited.length === ITEMS.length - settledBefore
      ? []
      : [`${inherited.length} items after ${settledBefore} settled`]),
    ...(counters.flushed === ITEMS.length ? [] : [`${counters.flushed} items are counted as flushed`]),
    ...(counters.dead + counters.staleSettlements === 0 ? [] : ['something is dead or stale']),
    ...ledgerFaults({ counters, vitals, ...snapshot }),
  ];
}

it('C1, C8: kill -9 at every point from the bell to the end of its job loses nothing and repeats nothing settled', async () => {
  const scenarios = Object.keys(POINTS) as Scenario[];
  const cases = await Promise.all(
    scenarios.flatMap((scenario) => POINTS[scenario].map((point) => openCase(scenario, point))),
  );
  await Promise.all(cases.map(({ startHeir }) => startHeir()));
  const { accounts, kill } = await stopAtPoints(cases);
  // The list is complete: who adds a call to the consumer has to add it there.
  const kinds = new Set(Object.values(POINTS).flat().map(kindOf));
  const passed = new Set([...accounts.values()].flatMap((account) => account.passed.map(kindOf)));
  expect(passed).toEqual(kinds);

  const { value: killedAtMs, lostMs } = await withLoopLag(async () => {
    const atMs = performance.now();
    await kill();
    const settled = await Promise.all(cases.map(async ({ store }) => (await store.snapshot()).counters.flushed));
    for (const { heir } of cases) heir.resume();
    await eventually(async () => {
      const sizes = await Promise.all(cases.map(async ({ store }) => (await store.snapshot()).vitals.size));
      expect(sizes.every((size) => size === 0)).toBe(true);
    });
    for (const [i, each] of cases.entries()) {
      const account = accounts.get(each.spec.name) as Account;
      expect(await faultsOf(each, settled[i] ?? 0, account), `${each.scenario}: ${each.point}`).toEqual([]);
    }
    return atMs;
  });

  const late = cases
    .flatMap(({ delivered, scenario, point }) =>
      delivered.map(({ atMs }) => ({ ms: Math.round(atMs - killedAtMs), where: `${scenario}: ${point}` })),
    )
    .sort((a, b) => a.ms - b.ms);
  const [median, worst] = [late[Math.floor(late.length / 2)], late.at(-1)];
  const seen = `median and worst of ${late.length} redeliveries: ${JSON.stringify([median, worst])}`;
  expect(median?.ms, seen).toBeLessThan(REDELIVERY_MS + lostMs);
  expect(worst?.ms, seen).toBeLessThan(REDELIVERY_MS + lostMs + BUSY_MS);
});
