import { BackpressureError, ConfigError, defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { afterAll, afterEach, expect, inject, it } from 'vitest';
import { HOSTILE_ITEMS, type HostileCall, hostileCalls } from '../../support/hostile-inputs.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

const proxy = await TcpProxy.start(inject('redisUrl'));
const { calls, close } = hostileCalls(proxy.url);
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);
process.on('unhandledRejection', onUnhandled);

afterEach(() => {
  expect(proxy.accepted).toBe(0);
});

afterAll(async () => {
  await close();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
  await proxy.close();
});

const end = async (run: () => unknown): Promise<unknown> => {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return undefined;
};

it('P13: the table has at least 200 inputs', () => {
  expect(calls.length).toBeGreaterThanOrEqual(200);
});

it.each([...new Set(calls.map(({ call }) => call))])('P13: %s refuses each before Redis hears of it', async (name) => {
  const complaints: string[] = [];
  for (const hostile of calls.filter(({ call }) => call === name)) {
    const complaint = complaintOf(hostile, await end(hostile.run));
    if (complaint !== undefined) complaints.push(complaint);
  }
  expect(complaints).toEqual([]);
});

/** What the error lacks: it names the option, says in our words what is allowed, and shows what was given. */
function complaintOf({ option, value }: HostileCall, error: unknown): string | undefined {
  const input = `${option} ${shown(value)}`;
  if (!(error instanceof ConfigError)) return `${input}: ${String(error)}`;
  const fault = error.faults.find((each) => each.option === option);
  if (fault === undefined) return `${input}: names ${error.faults.map((each) => each.option).join(', ')}`;
  if (/^(Invalid|Too|Expected|Unrecognized)/.test(fault.message)) return `${input}: ${fault.message}`;
  return error.message.includes('(got ') ? undefined : `${input}: ${error.message}`;
}

it('P14: what can not be encoded is refused by itself, whoever pushes it, and nothing is sent', async () => {
  const producer = new BackpressureProducer(defineBuffer<unknown>({ name: 'hostile-items' }), {
    connection: proxy.url,
  });
  for (const { kind, item } of HOSTILE_ITEMS) {
    for (const push of [producer.push(item), producer.pushOrThrow(item)]) {
      const error = await push.catch((reason: unknown) => reason);
      expect(error, kind).toBeInstanceOf(BackpressureError);
      expect(error, kind).toMatchObject({ code: 'BP_INVALID_ITEM' });
    }
  }
  expect(await producer.pushMany(HOSTILE_ITEMS.map(({ item }) => item))).toMatchObject({
    accepted: 0,
    refused: HOSTILE_ITEMS.length,
    results: HOSTILE_ITEMS.map(() => ({ accepted: false, reason: 'invalid' })),
  });
  await producer.close();
});

function shown(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return typeof value === 'bigint' ? `${value}n` : 'what can not be shown';
  }
}
