import { randomUUID } from 'node:crypto';
import { BackpressureConsumer } from '@backpressure/consumer';
import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
import { registerMetrics } from '@backpressure/core/metrics';
import { BackpressureProducer } from '@backpressure/producer';
import { Registry } from 'prom-client';
import { expect, inject, onTestFinished, test } from 'vitest';
import { eventually } from '../../support/eventually.js';

test('the metrics of a fleet and of a process, from one scrape', async () => {
  const buffer = defineBuffer<number>({
    name: `metrics-${randomUUID()}`,
    maxBufferSize: 10,
    strategy: 'drop_newest',
    minFlushIntervalMs: 0,
  });
  const connection = inject('redisUrl');
  const admin = new BackpressureAdmin(buffer, { connection });
  const producer = new BackpressureProducer(buffer, { connection });
  const consumer = new BackpressureConsumer(buffer, () => {}, { connection });
  onTestFinished(async () => {
    await producer.close();
    await consumer.close();
    await admin.destroy();
    await admin.close();
  });
  const register = new Registry();
  const metrics = registerMetrics({ register });
  metrics.watchFleet(admin);
  metrics.watchProducer(producer);
  metrics.watchConsumer(consumer);
  const label = `buffer="${buffer.name}"`;

  await producer.pushMany(Array.from({ length: 12 }, (_, n) => n));
  const full = await register.metrics();
  expect(full).toContain(`backpressure_size_items{${label}} 10`);
  expect(full).toContain(`backpressure_state{${label},state="blocked"} 1`);
  expect(full).toContain(`backpressure_state{${label},state="normal"} 0`);
  expect(full).toContain(`backpressure_pushes_total{${label},outcome="accepted",reason=""} 10`);
  expect(full).toContain(`backpressure_pushes_total{${label},outcome="refused",reason="full"} 2`);
  expect(full).toContain(`backpressure_capacity_bytes{${label}} +Inf`);
  expect(full).toContain('backpressure_up 1');

  await consumer.start();
  await eventually(async () => expect((await admin.status()).counters.flushed).toBe(10));
  const drained = await register.metrics();
  expect(drained).toContain(`backpressure_flushed_items_total{${label}} 10`);
  expect(drained).toContain(`backpressure_ledger_imbalance_items{${label}} 0`);
  expect(drained).toContain(`backpressure_flush_duration_seconds_count{${label},outcome="flushed"} 1`);
  expect(drained).toContain(`backpressure_batch_items_sum{${label}} 10`);
  expect(drained).toContain(`backpressure_nodes{${label},role="consumer"} 1`);
});

test('a scrape answers although Redis does not', async () => {
  const admin = new BackpressureAdmin(defineBuffer({ name: 'nowhere' }), {
    connection: 'redis://127.0.0.1:1',
    deadlineMs: 200,
  });
  onTestFinished(() => admin.close());
  const register = new Registry();
  registerMetrics({ register, prefix: 'bp_' }).watchFleet(admin);
  const text = await register.metrics();
  expect(text).toContain('bp_up 0');
  expect(text).not.toContain('bp_size_items{');
});
