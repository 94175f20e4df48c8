import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const BEAT_MS = 200;
/** So long after the last beat nothing runs in it any more. */
const SILENCE_MS = 10_000;
const PATIENCE_MS = 60_000;

/** Lets a Node process beat on its stderr while its event loop runs, without keeping it alive. */
export const BEATING: readonly string[] = [
  '--import',
  `data:text/javascript,setInterval(() => process.stderr.write('.'), ${BEAT_MS}).unref()`,
];

/**
 * Waits for a process that is to end by itself. Null when something keeps it alive.
 *
 * Node may lock up while it ends (nodejs/node#54918), when nothing keeps the process any more: it does not beat then, and
 * that is as good as an end.
 */
export async function exitCodeOf(
  child: ChildProcess,
  { silenceMs = SILENCE_MS, patienceMs = PATIENCE_MS } = {},
): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  const exit = once(child, 'close') as Promise<[number | null]>;
  let lockedUp = false;
  const end = () => child.kill('SIGKILL');
  const silence = setTimeout(() => {
    lockedUp = end();
  }, silenceMs);
  const patience = setTimeout(end, patienceMs);
  child.stderr?.on('data', () => silence.refresh());
  const [code] = await exit;
  clearTimeout(silence);
  clearTimeout(patience);
  return lockedUp ? 0 : code;
}
