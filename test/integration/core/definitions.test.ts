import { randomUUID } from 'node:crypto';
import { BackpressureAdmin, type BufferSpec, defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { Redis } from 'ioredis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';

const connection = inject('redisUrl');

/** A buffer of the test's own, with an operator's hand in its keys. */
function deployment() {
  const name = `definitions-${randomUUID()}`;
  const redis = new Redis(inject('operatorUrl'));
  const admin = new BackpressureAdmin(defineBuffer({ name }), { connection });
  onTestFinished(async () => {
    await redis.del(await redis.keys(`bp:{${name}}:*`));
    redis.disconnect();
    await admin.close();
  });
  const open = async (spec: Omit<BufferSpec<unknown>, 'name'>) => {
    const producer = new BackpressureProducer(defineBuffer({ name, ...spec }), { connection });
    onTestFinished(() => producer.close());
    await producer.open();
    return producer;
  };
  const write = (fields: Record<string, string>) => redis.hset(`bp:{${name}}:config`, fields);
  return { admin, open, write };
}

describe('I5: definitions that agree with each other only in part', () => {
  it('a definition that would make the whole invalid is refused, and whoever states another one goes on', async () => {
    const { admin, open } = deployment();
    const first = await open({ highWatermark: 0.6 });
    await expect(open({ lowWatermark: 0.7 })).rejects.toMatchObject({
      code: 'BP_CONFIG',
      faults: [
        { option: 'lowWatermark', message: 'must be below highWatermark, which is 0.6 in force', received: 0.7 },
      ],
    });
    expect(await first.push(1)).toMatchObject({ accepted: true });
    await open({ highWatermark: 0.6 });
    await open({ lowWatermark: 0.7, highWatermark: 0.8, onConfigMismatch: 'apply' });
    await open({ lowWatermark: 0.1, highWatermark: 0.2, onConfigMismatch: 'adopt' });
    expect(await admin.configure({ lowWatermark: 0.4 })).toMatchObject({ lowWatermark: 0.4, highWatermark: 0.8 });
  });

  it('what an operator changes is in force for who declares another option of the rule', async () => {
    const { admin, open } = deployment();
    await open({ highWatermark: 0.6 });
    await admin.configure({ highWatermark: 0.9 });
    await open({ lowWatermark: 0.7 });
    expect(await admin.config()).toMatchObject({ lowWatermark: 0.7, highWatermark: 0.9 });
  });
});

describe('S10: a configuration that somebody else has made invalid', () => {
  it.each([
    ['lowWatermark', { lowWatermark: '0.95' }, { lowWatermark: 0.5 }],
    ['batchSize', { batchSize: 'many' }, { batchSize: 7 }],
    ['backoff.delayMs', { 'backoff.delayMs': '90000' }, { backoff: { maxDelayMs: 90_000 } }],
  ])(
    '%s: it is named by who opens the buffer, and mended by a change that makes the whole valid',
    async (option, fields, mending) => {
      const { admin, open, write } = deployment();
      await open({});
      await write(fields);
      const refused = { code: 'BP_CONFIG', faults: [{ option }] };
      await expect(open({})).rejects.toMatchObject(refused);
      await expect(admin.status()).rejects.toMatchObject(refused);
      await expect(admin.configure({ sampleRate: 3 })).rejects.toMatchObject(refused);
      expect(await admin.configure(mending)).toMatchObject(mending);
      expect(await admin.config()).toMatchObject({ sampleRate: 10, ...mending });
      const producer = await open({ sampleRate: 4 });
      expect(await producer.push(1)).toMatchObject({ accepted: true });
    },
  );
});
