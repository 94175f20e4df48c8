import assert from 'node:assert/strict';
import { parseOptions } from '../../packages/core/src/domain/config.js';
import { configFields, statedFields } from '../../packages/core/src/domain/config-fields.js';
import type { OpenedStore } from '../conformance/rig.js';
import { Clients } from './clients.js';
import type { Command, Scenario } from './commands.js';
import { Consumers } from './consumers.js';
import { Lockstep } from './lockstep.js';
import { Observer } from './observer.js';
import { Operator } from './operator.js';
import { Producers } from './producers.js';
import { ACK } from './settlements.js';
import { WatchedStores } from './watched-stores.js';

interface Parties {
  readonly stores: WatchedStores;
  readonly producers: Producers;
  readonly consumers: Consumers;
  readonly operator: Operator;
}

/**
 * Runs a scenario against one store, checking every invariant after each step; against several, it also compares every
 * answer. In the end everything that is inside is flushed: whatever does not come out was lost.
 */
export async function runInterleaving(scenario: Scenario, opened: readonly OpenedStore[]): Promise<void> {
  const { stated, config } = parseOptions(scenario.options);
  const complete = configFields(config);
  const observer = new Observer();
  const clients = new Clients();
  const stores = new WatchedStores(new Lockstep(opened), observer);
  const parties = {
    stores,
    producers: new Producers(stores, observer, clients),
    consumers: new Consumers(stores, observer, clients),
    operator: new Operator(stores, observer, complete),
  };
  await stores.open({ action: 'declare', stated: statedFields(stated), complete, onConfigMismatch: 'error' });
  for (const command of scenario.commands) await step(parties, command);
  await letOut(parties);
  await stores.checkEnd();
}

async function step(parties: Parties, command: Command): Promise<void> {
  await carryOut(parties, command);
  await parties.stores.check();
}

async function letOut(parties: Parties): Promise<void> {
  const { stores, consumers } = parties;
  await step(parties, { op: 'gate', request: { action: 'resume' } });
  await step(parties, { op: 'patch', options: { maxConcurrentFlushes: 64, maxFlushesPerSecond: 1_000_000 } });
  for (let turn = 0; stores.before.vitals.size > 0; turn++) {
    assert.ok(turn < 500, 'everything that is inside comes out');
    const reply = await consumers.take();
    await stores.check();
    if (reply.kind === 'batch') await consumers.settle(reply.batch.id, ACK, false);
    else await stores.advance(reply.waitMs);
    await stores.check();
  }
}

async function carryOut({ stores, producers, consumers, operator }: Parties, command: Command): Promise<void> {
  switch (command.op) {
    case 'push':
      return producers.push(command);
    case 'pushHeld':
      return producers.pushHeld(command);
    case 'repeatPush':
      return producers.repeatPush(command);
    case 'resolve':
      return producers.resolve(command);
    case 'forgottenSession':
      return producers.forgottenSession();
    case 'renew':
      return producers.renew(command);
    case 'cancel':
      return producers.cancel(command);
    case 'take':
      return void (await consumers.take());
    case 'repeatTake':
      return consumers.repeatTake(command);
    case 'settle':
      return consumers.settlePicked(command);
    case 'repeatSettle':
      return consumers.repeatSettle(command);
    case 'extend':
      return consumers.extend(command);
    case 'patch':
      return operator.patch(command);
    case 'declare':
      return operator.declare(command);
    case 'gate':
      return operator.gate(command);
    case 'redrive':
      return operator.redrive(command);
    case 'purge':
      return operator.purge();
    case 'heartbeat':
      return operator.heartbeat(command);
    case 'advance':
      return stores.advance(command.ms);
    default:
      return command satisfies never;
  }
}
