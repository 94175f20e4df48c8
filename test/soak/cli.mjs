// `pnpm soak`: real producers and consumers under load for minutes, and whether memory stays flat. Progress goes to
// stderr, the result to stdout.
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
import { Redis } from 'ioredis';
import { startRedisServer } from '../../scripts/redis.mjs';
import { Member } from './fleet.mjs';
import { verdictOn } from './verdict.mjs';

const HELP = `pnpm soak [options]: producers and consumers under load; memory of Redis and of each process over time.

  --minutes N       length of the run (10)
  --producers N     processes (2)
  --consumers N     processes (2)
  --rate N          items offered per second, all together (2000)
  --json            the result as one JSON line on stdout
  --help            this

Flat: over the second half of the run a line through the samples grows by at most 5 % of their mean, or by 1 MiB (Redis),
10 keys, 2 MiB (heap after a collection) or 16 MiB (resident) if that is more.
Exit code 0: flat, books balanced, nothing left behind. 1: not so. 2: the options are wrong. 130: interrupted (Ctrl-C).`;

const SAMPLE_MS = 5_000;
const PROGRESS_EVERY = 6;
const NAME = 'soak';
/** Limits are low enough to be reached in the first half. */
const SPEC = {
  name: NAME,
  maxBufferSize: 2_000,
  strategy: 'block',
  maxBlockTimeMs: 1_000,
  batchSize: 50,
  deadLetterLimit: 200,
  minFlushIntervalMs: 5,
  control: { algorithm: 'fixed' },
  leaseMs: 5_000,
  flushTimeoutMs: 3_000,
  backoff: { delayMs: 50, maxDelayMs: 500 },
};

class UsageError extends Error {}

function options(argv) {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  let values;
  try {
    ({ values } = parseArgs({
      args: argv.filter((arg) => arg !== '--'),
      options: { minutes: text, producers: text, consumers: text, rate: text, json: flag, help: flag },
    }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  const number = (option, fallback, whole = true) => {
    const value = Number(values[option] ?? fallback);
    if (value > 0 && value < 1e6 && (!whole || Number.isInteger(value))) return value;
    throw new UsageError(
      `--${option} must be ${whole ? 'a whole number' : 'a number'} above 0 (got ${String(values[option])})`,
    );
  };
  return {
    minutes: number('minutes', 10, false),
    producers: number('producers', 2),
    consumers: number('consumers', 2),
    rate: number('rate', 2_000),
    json: values.json,
    help: values.help,
  };
}

const log = (line) => process.stderr.write(`${line}\n`);
const mib = (bytes) => `${(bytes / 1_048_576).toFixed(1)} MiB`;

async function sample(redis, members) {
  const memory = await redis.info('memory');
  const reports = await Promise.all(members.map((member) => member.report()));
  return {
    redisBytes: Number(/^used_memory:(\d+)/m.exec(memory)?.[1]),
    keys: await redis.dbsize(),
    processes: Object.fromEntries(members.map(({ name }, i) => [name, reports[i]])),
  };
}

function progress(minutes, { redisBytes, keys, processes }) {
  const own = Object.entries(processes).map(([name, { heap, rss }]) => `${name} ${mib(heap)}/${mib(rss)}`);
  log(`${minutes.toFixed(1)} min: Redis ${mib(redisBytes)}, ${keys} keys; heap/resident: ${own.join(', ')}`);
}

async function soak({ minutes }, redis, members, signal) {
  const samples = [];
  const startMs = performance.now();
  while (performance.now() - startMs < minutes * 60_000 && !signal.aborted) {
    await delay(SAMPLE_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) break;
    samples.push(await sample(redis, members));
    if (samples.length % PROGRESS_EVERY === 0) progress((performance.now() - startMs) / 60_000, samples.at(-1));
  }
  return samples;
}

function verdicts(samples, members) {
  const of = (kind, pick) => verdictOn(kind, samples.map(pick));
  return [
    { what: 'Redis, used_memory', ...of('redisBytes', (each) => each.redisBytes) },
    { what: 'Redis, keys', ...of('keys', (each) => each.keys) },
    ...members.flatMap(({ name }) => [
      { what: `${name}, heap`, ...of('heapBytes', (each) => each.processes[name].heap) },
      { what: `${name}, resident`, ...of('rssBytes', (each) => each.processes[name].rss) },
    ]),
  ];
}

/** Which keys are left: how many of each kind, and those that would vanish by themselves though they must not. */
async function keysLeft(redis) {
  const kinds = {};
  const expiring = [];
  for (const key of await redis.keys('*')) {
    const kind = key.replace(`bp:{${NAME}}:`, '').replace(/^(session|flush|batch):.*/, '$1');
    kinds[kind] = (kinds[kind] ?? 0) + 1;
    if (kind !== 'session' && kind !== 'flush' && (await redis.pttl(key)) >= 0) expiring.push(key);
  }
  return { kinds, expiring };
}

async function windDown(redis, admin, members) {
  await Promise.all(members.filter(({ role }) => role === 'producer').map((member) => member.leave()));
  await admin.drain({ timeoutMs: 60_000 });
  await Promise.all(members.filter(({ role }) => role === 'consumer').map((member) => member.leave()));
  const { size, inFlightBatches, ledgerImbalance, counters, nodes, waiters } = await admin.status();
  const left = await keysLeft(redis);
  const [bullmq, events] = await Promise.all([
    Promise.all(['completed', 'failed'].map((set) => redis.zcard(`bp:{${NAME}}:flush:${set}`))),
    redis.xlen(`bp:{${NAME}}:events`),
  ]);
  await admin.destroy();
  const rest = {
    size,
    inFlightBatches,
    ledgerImbalance,
    nodes: nodes.length,
    waiters,
    afterDestroy: await redis.dbsize(),
  };
  const transient = Object.keys(left.kinds).filter((kind) =>
    /^(ready|batch|batches$|leases$|waiters$|tickets$)/.test(kind),
  );
  return { rest, left, transient, counters, kept: { completed: bullmq[0], failed: bullmq[1], events } };
}

function faultsOf(verdictsOf, { rest, left, transient, counters, kept }) {
  return [
    ...verdictsOf
      .filter(({ flat }) => !flat)
      .map(({ what, growth, allowed }) => `${what} grew by ${growth}, allowed ${allowed}`),
    ...Object.entries(rest).flatMap(([what, value]) => (value === 0 ? [] : [`${what} is ${value}, not 0`])),
    ...left.expiring.map((key) => `${key} has a time to live`),
    ...transient.map((kind) => `keys of the kind ${kind} are left`),
    ...(kept.completed <= 1_000 && kept.failed <= 1_000 ? [] : ['BullMQ keeps more than 1,000 jobs of a kind']),
    ...(kept.events <= 1_000 ? [] : ['more than 1,000 events']),
    ...(counters.leasesLost === 0 || rest.size === 0 ? [] : ['leases were lost and not recovered']),
  ];
}

function print({ seconds, verdicts: found, counters, left, kept, faults }) {
  const rows = found.map(({ what, kind, first, last, max, growth, flat }) => {
    const show = kind === 'keys' ? (n) => n.toFixed(0) : mib;
    return `${flat ? 'flat ' : 'GROWS'} ${what.padEnd(24)} first ${show(first)}, last ${show(last)}, most ${show(max)}, second half ${show(growth)}`;
  });
  const { offered, accepted, flushed, dead, deadTrimmed, retried, leasesLost } = counters;
  return [
    ...rows,
    `${Math.round(seconds)} s: offered ${offered}, accepted ${accepted}, flushed ${flushed}, dead ${dead} (trimmed ${deadTrimmed}), retried ${retried}, leases lost ${leasesLost}`,
    `kept: ${JSON.stringify(kept)}; keys at the end: ${JSON.stringify(left.kinds)}`,
    faults.length === 0 ? 'PASSED' : `FAILED\n${faults.join('\n')}`,
  ].join('\n');
}

async function main() {
  const chosen = options(process.argv.slice(2));
  if (chosen.help) return void process.stdout.write(`${HELP}\n`);
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => interrupt.abort());
  const server = await startRedisServer({ args: ['--appendonly', 'yes', '--maxmemory-policy', 'noeviction'] });
  const redis = new Redis(server.url);
  const admin = new BackpressureAdmin(defineBuffer(SPEC), { connection: server.url });
  const members = [];
  try {
    await admin.status();
    const add = (role, count) => {
      for (let i = 0; i < count; i++) {
        const itemsPerSecond = chosen.rate / chosen.producers;
        members.push(new Member({ role, name: `${role} ${i}`, redisUrl: server.url, spec: SPEC, itemsPerSecond }));
      }
    };
    add('consumer', chosen.consumers);
    add('producer', chosen.producers);
    await Promise.all(members.map((member) => member.ready()));
    const startMs = performance.now();
    const samples = await soak(chosen, redis, members, interrupt.signal);
    const seconds = (performance.now() - startMs) / 1_000;
    const end = await windDown(redis, admin, members);
    const found = samples.length < 4 ? [] : verdicts(samples, members);
    const tooShort = samples.length < 4 ? ['too short to tell: there are fewer than four samples'] : [];
    const result = {
      seconds,
      samples: samples.length,
      verdicts: found,
      ...end,
      faults: [...tooShort, ...faultsOf(found, end)],
    };
    process.stdout.write(`${chosen.json ? JSON.stringify(result) : print(result)}\n`);
    process.exitCode = interrupt.signal.aborted ? 130 : result.faults.length === 0 ? 0 : 1;
  } finally {
    for (const member of members) member.kill();
    await admin.close();
    redis.disconnect();
    await server.stop();
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(error instanceof UsageError ? `${error.message}\n\n${HELP}\n` : `${error.stack}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
