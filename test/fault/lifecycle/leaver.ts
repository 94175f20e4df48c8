import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { BufferSpec } from '@backpressure/core';
import { expect } from 'vitest';
import { eventually } from '../../support/eventually.js';

const program = fileURLToPath(new URL('./leaving-process.mjs', import.meta.url));

export interface LeaverOptions {
  readonly redisUrl: string;
  readonly spec: BufferSpec<number>;
  readonly role: 'producer' | 'consumer' | 'drain' | 'admin' | 'controller';
  readonly flushMs?: number;
  /** Its flush ignores its signal. */
  readonly deaf?: boolean;
  readonly closeMs?: number;
}

interface Line {
  readonly kind: 'started' | 'flushing' | 'asked' | 'ended' | 'closed';
  readonly what?: 'push' | 'drain';
  readonly value?: unknown;
  readonly error?: string;
  readonly ms?: number;
  readonly resources?: readonly string[];
  readonly code?: number;
}

/** Node may lock up while it ends (nodejs/node#54918): one that has closed and holds nothing is gone all the same. */
const LOCKED_UP_MS = 10_000;

/** A process that is told to leave by signals. Runs the built packages. */
export class Leaver {
  readonly lines: Line[] = [];
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown[]>;
  #stderr = '';

  constructor(options: LeaverOptions, finished: (end: () => Promise<void>) => void) {
    this.#child = spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#exit = once(this.#child, 'exit');
    finished(async () => {
      this.#child.kill('SIGKILL');
      await this.#exit;
    });
    const { stdout, stderr } = this.#child;
    if (stdout !== null) createInterface(stdout).on('line', (line) => this.lines.push(JSON.parse(line) as Line));
    stderr?.on('data', (text: Buffer) => {
      this.#stderr += text.toString();
    });
  }

  async said(kind: Line['kind'], atLeast = 1): Promise<void> {
    await eventually(() =>
      expect(this.lines.filter((line) => line.kind === kind).length).toBeGreaterThanOrEqual(atLeast),
    );
  }

  ask(): void {
    this.#child.kill('SIGTERM');
  }

  /** Waits until it has ended by itself, with nothing left but its output when it had closed. */
  async gone(): Promise<{ readonly code: number | null; readonly closedAfterMs: number }> {
    await this.said('closed');
    const closed = this.lines.find((line) => line.kind === 'closed');
    expect(closed?.resources?.filter((resource) => resource !== 'PipeWrap')).toEqual([]);
    let lockedUp = false;
    const timer = setTimeout(() => {
      lockedUp = this.#child.kill('SIGKILL');
    }, LOCKED_UP_MS);
    const [code, signal] = (await this.#exit) as [number | null, string | null];
    clearTimeout(timer);
    expect([signal, this.#stderr]).toEqual([lockedUp ? 'SIGKILL' : null, '']);
    return { code: lockedUp ? (closed?.code ?? null) : code, closedAfterMs: closed?.ms ?? Number.NaN };
  }
}
