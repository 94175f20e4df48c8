import { randomUUID } from 'node:crypto';
import type { BufferStore, PushReply } from '@backpressure/core/store';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { describeAdmission } from '../../conformance/admission.js';
import { describeLine } from '../../conformance/line.js';
import { describeSettle } from '../../conformance/settle.js';
import { describeTake } from '../../conformance/take.js';
import { describeTokens } from '../../conformance/tokens.js';
import { type RedisCluster, startCluster } from '../../support/cluster.js';
import { eventually } from '../../support/eventually.js';
import { asOperator } from '../../support/least-privilege.js';
import { openClockStore } from '../../support/virtual-clock-store.js';
import { Load, SESSIONS } from './load.js';
import { declare, expectBooksToAgree, openStore, Session, waitingIn } from './rig.js';

const NODE_TIMEOUT_MS = 1_500;
let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startCluster();
});

afterAll(() => cluster.stop());

describe('a buffer on a cluster keeps the rules of a buffer', () => {
  const open = () => openClockStore(cluster.client, cluster.client);
  describeAdmission(open);
  describeTokens(open);
  describeTake(open);
  describeSettle(open);
  describeLine(open);
});

async function slotOf(store: BufferStore): Promise<number> {
  return cluster.slotOf(`bp:{${store.name}}:config`);
}

/** Two buffers of the same primary, one that waits for a replica and one that does not. */
async function openPair() {
  const store = openStore(cluster.client, { deadlineMs: 15_000 });
  const owner = await cluster.ownerOf(await slotOf(store));
  for (;;) {
    const options = { deadlineMs: 15_000, durability: { replicas: 1, timeoutMs: 500 } };
    const name = `fault-${randomUUID()}`;
    if ((await cluster.ownerOf(await cluster.slotOf(`bp:{${name}}`))) !== owner) continue;
    return { owner, store, durable: openStore(cluster.client, options, name) };
  }
}

/** How often a node has answered with an error of this kind. */
async function answersOf(node: Redis, kind: string): Promise<number> {
  return Number(new RegExp(`errorstat_${kind}:count=(\\d+)`).exec(await node.info('errorstats'))?.[1] ?? 0);
}

it('N10: a call under way while a slot is moved is told to try again (TRYAGAIN, ASK), and carried out once', async () => {
  const store = openStore(cluster.client, { deadlineMs: 15_000 });
  await declare(store);
  const session = new Session(store);
  await session.push(['before']);
  const slot = await slotOf(store);
  const owner = await cluster.ownerOf(slot);
  const target = await cluster.otherThan(owner);
  const node = new Redis(asOperator(owner.url));
  onTestFinished(() => node.disconnect());
  let push: Promise<PushReply> | undefined;
  await cluster.moveSlot(slot, owner, target, async (moved) => {
    const kind = moved === 'one' ? 'TRYAGAIN' : 'ASK';
    const before = await answersOf(node, kind);
    push ??= session.push(['meanwhile']);
    await eventually(async () => expect(await answersOf(node, kind)).toBeGreaterThan(before));
  });
  expect((await push)?.outcomes).toEqual(['accepted']);
  expect((await session.push(['after'])).outcomes).toEqual(['accepted']);
  expect(await waitingIn(cluster.client, store)).toEqual(['before', 'meanwhile', 'after']);
  await expectBooksToAgree(store);
});

it('N10, B13: under load a slot is moved and its primary killed, and nothing is seen of it but a pause', async () => {
  const { owner, store, durable } = await openPair();
  for (const each of [store, durable]) await declare(each);
  const signals: string[] = [];
  await store.subscribe((signal) => signals.push(signal.kind));
  const load = new Load(store);
  const durableLoad = new Load(durable);
  const loads = [load, durableLoad];
  onTestFinished(async () => {
    for (const each of loads) await each.stop();
  });
  const goOn = (count?: number) => Promise.all(loads.map((each) => each.goesOn(count)));
  await goOn();

  const target = await cluster.otherThan(owner);
  for (const each of [store, durable]) await cluster.moveSlot(await slotOf(each), owner, target);
  await goOn();
  expect(load.outageMs()).toBeLessThan(3_000);
  for (const each of loads) expect(await each.lost(cluster.client)).toEqual([]);

  // Its only replica takes over, and nobody is left to confirm.
  await target.kill('SIGKILL');
  await goOn(20);
  expect(load.outageMs()).toBeLessThan(2 * NODE_TIMEOUT_MS + 7_000);
  await eventually(async () => {
    await store.gate({ action: 'pause', intake: false, flush: true });
    await store.gate({ action: 'resume' });
    const version = (await store.config())?.version ?? 0;
    await store.configure({ action: 'patch', fields: { batchSize: String(50 + (version % 50)) } });
    expect(signals).toContain('config');
  });

  for (const each of loads) await each.stop();
  expect(await durableLoad.lost(cluster.client)).toEqual([]);
  // One call of each session may have been answered and not have been passed on.
  expect((await load.lost(cluster.client)).length).toBeLessThanOrEqual(SESSIONS);
  for (const each of [store, durable]) await expectBooksToAgree(each);
  expect(durableLoad.unconfirmed).toBeGreaterThan(0);
});
