import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ToChild } from './messages.js';
import type { ProcessView } from './view.js';

export interface ChildHandlers<In> {
  readonly onMessage: (message: In) => void;
  /** It ended although nobody had told it to. */
  readonly onDeath: (reason: string) => void;
  readonly onStderr: (line: string) => void;
}

/** A process of the demo, seen from the one that forks it. */
export class Child<In> {
  readonly label: string;
  readonly pid: number;
  readonly exited: Promise<void>;
  readonly #process: ChildProcess;
  #stopping = false;
  #alive = true;

  constructor(label: string, module: string, spec: object, handlers: ChildHandlers<In>) {
    this.label = label;
    const path = fileURLToPath(new URL(module, import.meta.url));
    this.#process = fork(path, [JSON.stringify(spec)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.pid = this.#process.pid ?? 0;
    this.#process.on('message', (message) => handlers.onMessage(message as In));
    this.#process.on('error', (error) => handlers.onStderr(`${label}: ${error.message}`));
    if (this.#process.stderr !== null) {
      createInterface(this.#process.stderr).on('line', (line) => handlers.onStderr(`${label}: ${line}`));
    }
    this.exited = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => {
        this.#alive = false;
        resolve();
        if (!this.#stopping) handlers.onDeath(`ended with ${signal ?? `exit code ${code}`}`);
      });
    });
  }

  get life(): ProcessView['life'] {
    if (this.#alive) return 'alive';
    return this.#stopping ? 'left' : 'died';
  }

  send(message: ToChild): void {
    if (message.kind === 'stop') this.#stopping = true;
    // The channel may close between the check and the write; the exit tells the rest.
    if (this.#process.connected) this.#process.send(message, () => {});
  }

  /** Tells it to stop and waits until it has; after `timeoutMs` it is killed. */
  async stop(timeoutMs: number): Promise<void> {
    if (!this.#alive) return;
    this.send({ kind: 'stop' });
    const timer = setTimeout(() => this.kill(), timeoutMs);
    await this.exited;
    clearTimeout(timer);
  }

  kill(): void {
    this.#stopping = true;
    this.#process.kill('SIGKILL');
  }
}
