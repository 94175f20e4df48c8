import { BackpressureAdmin } from '@backpressure/core';
import { registerMetrics } from '@backpressure/core/metrics';
import { Registry } from 'prom-client';
import { provideRedis } from '../../../scripts/redis.mjs';
import { flightsBuffer } from './buffer.js';
import type { DemoRun } from './demo.js';
import { Downstream } from './downstream.js';
import { Fleet } from './fleet.js';
import { FLIGHTS, type Flight } from './flight.js';
import { serveMetrics } from './metrics-server.js';
import { count } from './numbers.js';
import type { Owned } from './owned.js';
import { Sampler } from './sampler.js';
import { Story } from './story.js';
import type { HistoryPoint } from './view.js';
import { Watch } from './watch.js';

const SAMPLE_MS = 20;

/** Everything a run needs, up and ready. */
export interface Stage {
  readonly fleet: Fleet;
  readonly admin: BackpressureAdmin<Flight>;
  readonly downstream: Downstream;
  readonly sampler: Sampler;
  readonly watch: Watch;
  readonly story: Story;
  readonly history: HistoryPoint[];
  readonly title: string;
  readonly footer: string;
  /** Of the run. */
  readonly clock: { isRunning: boolean; elapsedMs: () => number };
}

/** Starts Redis, the database, the consumers, the producers and those who watch; what it opens goes to `owned`. */
export async function openStage({ options, screen, interrupt, databaseUrl }: DemoRun, owned: Owned): Promise<Stage> {
  const { capacity, strategy, producers, consumers, durationMs } = options;
  const story = new Story({ capacity, strategy });
  const clock = { isRunning: false, elapsedMs: () => 0 };
  const tell = (text: string) => (clock.isRunning ? story.tell(clock.elapsedMs(), text) : screen.say(text));
  const fleet = new Fleet({
    onDeath: ({ label, pid }, reason) => tell(`${label} (process ${pid}) ${reason}`),
    onStderr: tell,
  });
  const goOn = () => {
    if (interrupt.aborted) throw new Error('Interrupted before the first flight.');
  };

  const redis = await provideRedis({ log: (line) => screen.say(line) });
  owned.add('redis', () => redis.stop());
  goOn();
  const buffer = { name: `flights-${process.pid}-${Date.now().toString(36)}`, capacity, strategy };
  const admin = new BackpressureAdmin(flightsBuffer(buffer), { connection: redis.url });
  owned.add('the admin', () => admin.close());
  owned.add('the buffer', () => admin.destroy());

  screen.say(`database: ${databaseUrl === undefined ? 'an embedded Postgres starts' : 'DATABASE_URL'}`);
  owned.add('the database', () => fleet.stopDatabase());
  const url = databaseUrl ?? (await fleet.startDatabase(consumers));
  const schemaName = buffer.name.replaceAll('-', '_');
  const downstream = await Downstream.connect(url, schemaName);
  owned.add('the connection to the database', () => downstream.close());
  await downstream.create();
  owned.add('the schema in the database', () => downstream.drop());
  goOn();

  screen.say(`processes: ${producers} producers, ${consumers} consumers`);
  owned.add('the processes', () => fleet.stopWorkers());
  await Promise.all([
    fleet.startConsumers(consumers, { redisUrl: redis.url, databaseUrl: url, schemaName, buffer }),
    fleet.startProducers(producers, { redisUrl: redis.url, buffer, durationMs }),
  ]);
  goOn();

  const register = new Registry();
  registerMetrics({ register }).watchFleet(admin);
  const metrics = await serveMetrics({ register, others: () => fleet.metrics() }, options.metricsPort);
  owned.add('the metrics server', () => metrics.close());
  screen.say(`metrics: ${metrics.url}`);

  const sampler = new Sampler({ redisUrl: redis.url, bufferName: buffer.name, everyMs: SAMPLE_MS });
  owned.add('the sampler', () => sampler.stop());
  return {
    fleet,
    admin,
    downstream,
    sampler,
    watch: new Watch(admin),
    story,
    history: [],
    title: `${count(FLIGHTS)} flights → buffer of ${count(capacity)} in Redis → Postgres`,
    footer: `strategy ${strategy} · ${metrics.url} · Ctrl-C drains and reports`,
    clock,
  };
}
