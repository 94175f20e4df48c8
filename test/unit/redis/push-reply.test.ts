import { ProtocolError } from '@backpressure/core';
import { expect, it } from 'vitest';
import { pushScript } from '../../../packages/core/src/redis/script-descriptors.js';

const VITALS = [7, 'normal', 0, 2, 2, 4, 10, '', 0, 64, 100, '100', '0', 1];

it('names the outcome of each item', () => {
  expect(pushScript.decode(['push', ...VITALS, 0, 5, 'awfshdpb']).outcomes).toEqual([
    'accepted',
    'waiting',
    'full',
    'sampled',
    'shed',
    'draining',
    'paused',
    'too_large',
  ]);
});

it('refuses an outcome that it does not know, for the item may be in the buffer', () => {
  const reply = ['push', ...VITALS, 0, 0, 'axa'];
  expect(() => pushScript.decode(reply)).toThrow(ProtocolError);
  expect(() => pushScript.decode(reply)).toThrow(/an unknown outcome/);
});
