import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { BarResult } from '../bars/bar.js';
import type { RunContext } from './stage.js';

/** Says that this process has a network of its own already. */
const MARK = 'CHAOS_ISOLATED';

/** Why there can be no network of one's own here; undefined when there can. */
export function isolationObstacle(): string | undefined {
  const missing = ['ip', 'tc', 'nsenter'].find((program) => spawnSync(program, ['-V']).status !== 0);
  if (missing !== undefined) return `no ${missing} here`;
  return spawnSync('unshare', ['--net', 'true']).status === 0 ? undefined : 'no network namespaces here';
}

export function isIsolated(): boolean {
  return process.env[MARK] !== undefined;
}

/**
 * Runs one bar in a process that has a network of its own: nobody else reaches the servers that it starts there, and the
 * network is gone with it.
 */
export async function runIsolated(bar: string, seed: number, { log, signal }: RunContext): Promise<BarResult> {
  const [program = ''] = process.argv.slice(1);
  const command = ['--net', process.execPath, program, '--bars', bar, '--seed', String(seed), '--json'];
  const child = spawn('unshare', command, {
    env: { ...process.env, [MARK]: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal === undefined ? {} : { signal }),
  });
  const ended = once(child, 'exit');
  const [result, said] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  try {
    const [outcome] = JSON.parse(result) as BarResult[];
    if (outcome !== undefined) return outcome;
  } catch {
    log(said);
  }
  throw new Error(`${bar} did not end in a network of its own.`);
}
