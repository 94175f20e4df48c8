import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('./member.mjs', import.meta.url));
const ANSWER_MS = 20_000;

/** One process of the soak. */
export class Member {
  constructor(spec) {
    this.role = spec.role;
    this.name = spec.name;
    this.child = fork(program, [JSON.stringify(spec)], { execArgv: ['--expose-gc'] });
    this.exit = once(this.child, 'exit');
  }

  ready() {
    return this.#answer('ready');
  }

  async report() {
    this.child.send('report');
    return this.#answer('report');
  }

  /** Resolves with its last counts when the process has ended by itself. */
  async leave() {
    this.child.send('leave');
    const { counts } = await this.#answer('left');
    const [code, signal] = await this.exit;
    if (code !== 0) throw new Error(`${this.name} ended with ${code ?? signal}`);
    return counts;
  }

  kill() {
    this.child.kill('SIGKILL');
  }

  async #answer(kind) {
    const late = AbortSignal.timeout(ANSWER_MS);
    const gone = this.exit.then(([code, signal]) => {
      throw new Error(`${this.name} ended with ${code ?? signal}`);
    });
    gone.catch(() => {});
    for (;;) {
      const [message] = await Promise.race([once(this.child, 'message', { signal: late }), gone]);
      if (message.kind === kind) return message;
    }
  }
}
