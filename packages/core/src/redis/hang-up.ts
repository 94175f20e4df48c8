import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { DISCONNECT_TIMEOUT_MS, isCluster, type RedisClient } from './connection.js';

/**
 * Closes a client of ours at once. ioredis by itself says goodbye and waits for the other side, which may be away; until
 * then the socket and a timer keep the process alive. Resolves when nothing is left of its connections.
 */
export async function hangUp(client: RedisClient): Promise<void> {
  if (client.status !== 'end') await disconnect(client);
  await delay(DISCONNECT_TIMEOUT_MS + 1); // a timer of ioredis'
}

async function disconnect(client: RedisClient): Promise<void> {
  const sockets = (isCluster(client) ? client.nodes() : [client]).flatMap(({ stream }) =>
    stream === undefined || stream.closed ? [] : [stream],
  );
  // Between two attempts ioredis gives up the next one, and never comes to its end: only an attempt that fails does that.
  if (client.status === 'reconnecting') client.connect().catch(() => {});
  client.disconnect();
  const closed = sockets.map((socket) => once(socket, 'close'));
  for (const socket of sockets) socket.destroy();
  await Promise.all(closed);
}
