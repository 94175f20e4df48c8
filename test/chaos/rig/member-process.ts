import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memberId, type ProcessSpec, specToEnvironment } from '../process/spec.js';

const READY_MS = 30_000;
const LEAVE_MS = 15_000;

// The shell leaves a watcher behind and becomes the process (exec), so the child's pid is the process'. When this
// process goes away, for whatever reason, the watcher's read ends and it kills the child, stopped (SIGSTOP) or not.
const GUARD = `
{ read -r _ <&3 || kill -KILL $$; } >/dev/null 2>&1 &
exec "$0" "$@" 3<&-`;

/** How a process ended. */
export interface ProcessEnd {
  readonly id: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** By a SIGKILL of the plan, by a SIGTERM it answered, or by itself. */
  readonly how: 'killed' | 'left' | 'crashed' | 'stuck';
  /** The last lines that it said, when it ended by itself. */
  readonly said?: string;
}

export interface MemberProcessOptions {
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[];
  /** What it is started with, such as a program that takes it into another network and becomes it. */
  readonly enter?: readonly string[];
}

/** One producer or consumer process. */
export class MemberProcess {
  readonly id: string;
  readonly #child: ChildProcess;
  readonly #errorPath: string;
  readonly #gone: Promise<void>;
  #end: ProcessEnd | undefined;
  #asked: 'killed' | 'left' | undefined;
  #stuck = false;
  #peakBytes = 0;

  constructor(spec: ProcessSpec, { nodeOptions = [], enter = [] }: MemberProcessOptions = {}) {
    this.id = memberId(spec);
    this.#errorPath = join(spec.dir, `stderr-${this.id}.txt`);
    const errors = openSync(this.#errorPath, 'a');
    const program = fileURLToPath(new URL(`../process/${spec.role}.js`, import.meta.url));
    this.#child = spawn('/bin/sh', ['-c', GUARD, ...enter, process.execPath, ...nodeOptions, program], {
      env: { ...process.env, ...specToEnvironment(spec) },
      stdio: ['ignore', 'pipe', errors, 'pipe'],
      detached: true, // Ctrl-C in the terminal is for the rig; it stops its fleet by itself
    });
    closeSync(errors);
    for (const stream of this.#child.stdio) stream?.on('error', () => {});
    this.#gone = once(this.#child, 'exit').then(([code, signal]) => this.#onExit(code as number | null, signal));
  }

  get running(): boolean {
    return this.#end === undefined;
  }

  /** How it ended; undefined while it runs. */
  get end(): ProcessEnd | undefined {
    return this.#end;
  }

  /** The most memory that it was ever seen to hold, in bytes. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Resolves when it says that it is at work. */
  async ready(): Promise<void> {
    const { stdout } = this.#child;
    if (stdout === null) return;
    const said = once(stdout, 'data', { signal: AbortSignal.timeout(READY_MS) });
    await Promise.race([said, this.#gone]);
    stdout.resume();
    if (!this.running) throw new Error(`${this.id} ended at its start: ${this.#end?.said ?? ''}`);
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.running) this.#child.kill(name);
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.noteMemory();
    if (this.running) {
      this.#asked ??= 'killed';
      this.#child.kill('SIGKILL');
    }
    await this.#gone;
  }

  /** SIGTERM. Resolves when it is gone; what does not leave in time is killed, and counts as stuck. */
  async leave(): Promise<void> {
    this.noteMemory();
    if (this.running) {
      this.#asked ??= 'left';
      this.#child.kill('SIGTERM');
      this.#child.kill('SIGCONT');
    }
    const impatience = setTimeout(() => {
      this.#stuck = true;
      this.#child.kill('SIGKILL');
    }, LEAVE_MS);
    await this.#gone;
    clearTimeout(impatience);
  }

  /** Reads its peak memory, where the system tells (Linux). */
  noteMemory(): void {
    if (!this.running) return;
    try {
      const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
      this.#peakBytes = Math.max(this.#peakBytes, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024);
    } catch {
      // It has just gone, or this is no Linux.
    }
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    (this.#child.stdio[3] as { end?: (text: string) => void } | null)?.end?.('\n');
    const how = this.#stuck
      ? 'stuck'
      : this.#asked === 'left' && code === 0
        ? 'left'
        : this.#asked === 'killed'
          ? 'killed'
          : 'crashed';
    const said =
      how === 'crashed' || how === 'stuck' ? { said: readFileSync(this.#errorPath, 'utf8').slice(-2_000) } : {};
    this.#end = { id: this.id, code, signal, how, ...said };
  }
}
