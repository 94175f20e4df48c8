import { ConfigError, defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { expect, test } from 'vitest';
import { redact } from '../../../packages/core/src/domain/redact.js';

test('no password is shown, wherever it stands', () => {
  class Client {
    readonly password = 'hunter2';
  }
  const shown = redact({
    url: 'redis://me:hunter2@host:1',
    sentinels: [{ sentinelPassword: 'hunter2' }],
    client: new Client(),
    port: 1,
  });
  expect(shown).toEqual({
    url: 'redis://***@host:1',
    sentinels: [{ sentinelPassword: '***' }],
    client: '[Client]',
    port: 1,
  });
});

test('a wrong option does not give its neighbours away', () => {
  const buffer = defineBuffer({ name: 'secret' });
  const options = { connection: { host: 'h', password: 'hunter2' }, store: { password: 'hunter2' } };
  try {
    new BackpressureProducer(buffer, options as never);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect(JSON.stringify([(error as ConfigError).faults, String(error)])).not.toContain('hunter2');
  }
});
