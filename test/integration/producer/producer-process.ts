import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BufferSpec } from '@backpressure/core';
import type { PushItemResult } from '@backpressure/producer';
import { onTestFinished } from 'vitest';

const program = fileURLToPath(new URL('./producer-process.mjs', import.meta.url));

interface Work {
  readonly items: readonly string[];
  /** One push for each, all at once, instead of one `pushMany`. */
  readonly each?: boolean;
  readonly timeoutMs?: number;
}

type Message = { readonly kind: 'ready' | 'pushing' } | { readonly kind: 'pushed'; readonly results: PushItemResult[] };

/** A producer in a process of its own; it ends with the test. Runs the built packages. */
export class ProducerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
  }

  static async start(redisUrl: string, buffer: BufferSpec<unknown>): Promise<ProducerProcess> {
    const child = fork(program, [JSON.stringify({ redisUrl, buffer })], { execArgv: [] });
    const process = new ProducerProcess(child);
    onTestFinished(() => process.kill());
    await process.#message('ready');
    return process;
  }

  /** Resolves when the pushes have ended. */
  async push(work: Work): Promise<readonly PushItemResult[]> {
    const pushed = this.#message('pushed');
    this.#child.send(work);
    return (await pushed).results;
  }

  /** Resolves when the pushes have begun. */
  async begin(work: Work): Promise<void> {
    const pushing = this.#message('pushing');
    this.#child.send(work);
    await pushing;
  }

  /** Ends it as a power failure would. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  #message<K extends Message['kind']>(kind: K): Promise<Extract<Message, { kind: K }>> {
    return new Promise((resolve, reject) => {
      const listener = (message: Message) => {
        if (message.kind !== kind) return;
        this.#child.off('message', listener);
        resolve(message as Extract<Message, { kind: K }>);
      };
      this.#child.on('message', listener);
      this.#child.once('exit', (code, signal) => reject(new Error(`The producer ended: ${code ?? signal}`)));
    });
  }
}
