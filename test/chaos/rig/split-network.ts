import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Host } from '../../support/sentinel.js';

const CABLE = 'cable';
const MASK = 30;

/**
 * Two networks with a cable between them: that of this process, and one of its own. Cut, the cable swallows every
 * packet, and neither side is told.
 */
export class SplitNetwork {
  readonly here: Host = { ip: '10.77.0.1', enter: [] };
  readonly there: Host;
  /** The other network lives as long as this process of it, which lives no longer than this one. */
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
    this.there = { ip: '10.77.0.2', enter: ['nsenter', '--target', String(holder.pid), '--net', '--'] };
  }

  /** Needs a network of its own for this process too: see {@link runIsolated}. */
  static async open(): Promise<SplitNetwork> {
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; read _'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    const network = new SplitNetwork(holder);
    run('ip', ['link', 'add', CABLE, 'type', 'veth', 'peer', 'name', CABLE, 'netns', String(holder.pid)]);
    network.#onEachSide(({ ip, enter }) => {
      run(...within(enter, ['ip', 'link', 'set', 'lo', 'up']));
      run(...within(enter, ['ip', 'address', 'add', `${ip}/${MASK}`, 'dev', CABLE]));
      run(...within(enter, ['ip', 'link', 'set', CABLE, 'up']));
    });
    return network;
  }

  /** A queue in which there is no room. */
  cut(): void {
    this.#onEachSide(({ enter }) => run(...within(enter, ['tc', ...QUEUE('add'), 'pfifo', 'limit', '0'])));
  }

  heal(): void {
    this.#onEachSide(({ enter }) => run(...within(enter, ['tc', ...QUEUE('delete')])));
  }

  async close(): Promise<void> {
    const gone = once(this.#holder, 'exit');
    this.#holder.stdin?.end();
    await gone;
  }

  #onEachSide(act: (host: Host) => void): void {
    for (const host of [this.here, this.there]) act(host);
  }
}

const QUEUE = (action: 'add' | 'delete') => ['qdisc', action, 'dev', CABLE, 'root'];

function within(enter: readonly string[], command: readonly string[]): readonly [string, readonly string[]] {
  const [program = '', ...args] = [...enter, ...command];
  return [program, args];
}

function run(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
