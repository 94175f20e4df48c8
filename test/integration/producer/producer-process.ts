import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BufferSpec } from '@backpressure/core';
import type { PushItemResult } from '@backpressure/producer';

const program = fileURLToPath(new URL('./producer-process.mjs', import.meta.url));

interface Work {
  readonly items: readonly string[];
  /** One push for each, all at once, instead of one `pushMany`. */
  readonly each?: boolean;
  readonly timeoutMs?: number;
}

type Message =
  | { readonly kind: 'opened'; readonly refusal?: string }
  | { readonly kind: 'pushing' }
  | { readonly kind: 'pushed'; readonly results: PushItemResult[] };

/** A producer in a process of its own; whoever starts it kills it. Runs the built packages. */
export class ProducerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  constructor(redisUrl: string) {
    this.#child = fork(program, [redisUrl], { execArgv: [] });
    this.#exited = once(this.#child, 'exit');
  }

  /** Opens a buffer, and closes the one that was open. @throws Error with the message of what refused it */
  async open(buffer: BufferSpec<unknown>): Promise<void> {
    const { refusal } = await this.#ask('opened', { kind: 'open', buffer });
    if (refusal !== undefined) throw new Error(refusal);
  }

  /** Resolves when the pushes have ended. */
  async push(work: Work): Promise<readonly PushItemResult[]> {
    return (await this.#ask('pushed', { kind: 'push', ...work })).results;
  }

  /** Resolves when the pushes have begun. */
  async begin(work: Work): Promise<void> {
    await this.#ask('pushing', { kind: 'push', ...work });
  }

  /** Ends it as a power failure would. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  #ask<K extends Message['kind']>(kind: K, command: object): Promise<Extract<Message, { kind: K }>> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#child.off('message', onMessage);
        this.#child.off('exit', onExit);
      };
      const onMessage = (message: Message) => {
        if (message.kind !== kind) return;
        end();
        resolve(message as Extract<Message, { kind: K }>);
      };
      const onExit = (code: number | null, signal: string | null) => {
        end();
        reject(new Error(`The producer ended: ${code ?? signal}`));
      };
      this.#child.on('message', onMessage);
      this.#child.on('exit', onExit);
      this.#child.send(command);
    });
  }
}
