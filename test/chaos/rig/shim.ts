import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../../support/root.js';

/** Why libraries can't be put in front of a server here; undefined when they can. */
export function shimObstacle(): string | undefined {
  if (process.platform !== 'linux') return `no LD_PRELOAD on ${process.platform}`;
  return spawnSync('gcc', ['--version']).status === 0 ? undefined : 'no gcc here';
}

/** Compiles a shim of `test/chaos/shims` into a directory; returns its path, for LD_PRELOAD. */
export function buildShim(name: 'synced' | 'slow' | 'clock', dir: string): string {
  const library = join(dir, `${name}.so`);
  const source = join(ROOT, 'test/chaos/shims', `${name}.c`);
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return library;
}
