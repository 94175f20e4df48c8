import { describe, expect, it } from 'vitest';
import type { ConnectionInput } from '../../../packages/core/src/redis/connection.js';
import { connectionKey } from '../../../packages/core/src/redis/connection-key.js';

const circle: Record<string, unknown> = {};
circle.self = circle;

describe('the key of a connection', () => {
  it.each<[ConnectionInput, ConnectionInput]>([
    ['redis://a', 'redis://a'],
    [
      { host: 'a', port: 1 },
      { port: 1, host: 'a' },
    ],
    [{ host: 'a' }, { host: 'a', password: undefined as never }],
    [{ sentinels: [{ host: 'a' }] }, { sentinels: [{ host: 'a' }] }],
  ])('is the same for %j and %j', (a, b) => {
    expect(connectionKey(a)).toBe(connectionKey(b));
  });

  it.each<[ConnectionInput, ConnectionInput]>([
    ['redis://a', 'redis://b'],
    [{ host: 'a' }, { host: 'b' }],
    [{ port: 1 }, { port: '1' as never }],
    [{ password: 'a' }, { username: 'a' }],
    [{ db: Number.NaN }, { db: null as never }],
    [{ sentinels: [{ host: 'a' }, { port: 1 }] }, { sentinels: [{ host: 'a', port: 1 }] }],
    [{ tls: { servername: 'a' }, db: 1 }, { tls: { servername: 'a', db: 1 } as never }],
  ])('differs for %j and %j', (a, b) => {
    expect(connectionKey(a)).not.toBe(connectionKey(b));
  });

  it.each([
    ['a function', { retryStrategy: () => 1 }],
    ['a certificate in bytes', { tls: { ca: Buffer.from('x') } }],
    ['an object of a class', new Map()],
    ['a circle', circle],
  ])('is the object itself for options with %s', (_kind, input) => {
    expect(connectionKey(input as ConnectionInput)).toBe(input);
  });

  it('shows no password', () => {
    expect(connectionKey({ host: 'a', password: 'hunter2' })).not.toContain('hunter2');
    expect(connectionKey('redis://:hunter2@a')).not.toContain('hunter2');
  });
});
