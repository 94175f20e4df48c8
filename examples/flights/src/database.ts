/** Process: an embedded Postgres that several connections can use, in memory, on a loopback port. */
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import type { FromDatabase } from './messages.js';
import { joinParent } from './parent.js';

const parent = joinParent<{ maxConnections: number }, FromDatabase>();

const database = await PGlite.create();
const server = new PGLiteSocketServer({
  db: database,
  host: '127.0.0.1',
  port: 0,
  maxConnections: parent.spec.maxConnections,
});
await server.start();
parent.on('stop', () => void stop());
await parent.send({ kind: 'ready', url: `postgres://postgres@${server.getServerConn()}/postgres?sslmode=disable` });

async function stop(): Promise<void> {
  await server.stop();
  await database.close();
  parent.leave();
}
