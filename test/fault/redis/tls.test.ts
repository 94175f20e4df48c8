import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@backpressure/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { declare, openStore, Session, startServer } from './rig.js';

let dir: string | undefined;

/** A certificate for 127.0.0.1, signed by an authority that nobody knows. */
function makeCertificates(into: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: into, stdio: 'ignore' });
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=Test CA');
  openssl(
    'req',
    ...key.slice(0, 3),
    '-keyout',
    'redis.key',
    '-out',
    'redis.csr',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=IP:127.0.0.1',
  );
  openssl(
    'x509',
    '-req',
    '-in',
    'redis.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'redis.crt',
    '-days',
    '2',
    '-copy_extensions',
    'copy',
  );
}

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!hasOpenssl())('S2: TLS (needs openssl)', () => {
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'tls-'));
    makeCertificates(dir);
  });

  afterAll(() => {
    if (dir !== undefined) rmSync(dir, { recursive: true });
  });

  const fileIn = (name: string) => join(dir ?? '', name);

  async function startTlsServer() {
    const files = [
      '--tls-cert-file',
      fileIn('redis.crt'),
      '--tls-key-file',
      fileIn('redis.key'),
      '--tls-ca-cert-file',
      fileIn('ca.crt'),
    ];
    const server = await startServer([...files, '--tls-auth-clients', 'no']);
    const port = await eventually(async () => {
      const candidate = 20_000 + Math.floor(Math.random() * 12_000);
      await server.redis.config('SET', 'tls-port', String(candidate));
      return candidate;
    });
    return { ...server, tlsPort: port };
  }

  it('refuses a certificate that it can not verify, at once, and takes one whose authority it was given', async () => {
    const { tlsPort: port } = await startTlsServer();
    const ca = readFileSync(fileIn('ca.crt'));
    for (const connection of [`rediss://127.0.0.1:${port}`, { host: '127.0.0.1', port, tls: {} }]) {
      const startMs = performance.now();
      const error = await openStore(connection)
        .snapshot()
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as Error).message).toMatch(/certificate/);
      expect(performance.now() - startMs).toBeLessThan(4_000);
    }

    const store = openStore({ host: '127.0.0.1', port, tls: { ca } });
    await declare(store);
    const signals: string[] = [];
    await store.subscribe((signal) => signals.push(signal.kind));
    expect((await new Session(store).push(Array.from({ length: 100 }, () => 'x'))).outcomes).toHaveLength(100);
    await eventually(() => expect(signals).toContain('ready'));
    expect((await store.take({ batchId: 'a' })).kind).toBe('batch');
  });
});
