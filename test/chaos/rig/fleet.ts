import { setTimeout as delay } from 'node:timers/promises';
import { TcpProxy } from '../../support/tcp-proxy.js';
import type { RunOptions } from '../options.js';
import { consumerName, producerName } from '../plan/schedule.js';
import type { ProcessSpec } from '../process/spec.js';
import type { Ground } from './ground.js';
import { MemberProcess, type ProcessEnd } from './member-process.js';

/** Between the end of a process and the start of the next in its place. */
const RESPAWN_MS = 150;

/** One place of the fleet: its proxy, if it has one, stays; its process comes and goes. */
export class Place {
  readonly name: string;
  readonly role: ProcessSpec['role'];
  readonly proxy: TcpProxy | undefined;
  readonly #spec: Omit<ProcessSpec, 'incarnation'>;
  readonly #enter: readonly string[];
  readonly ends: ProcessEnd[] = [];
  #incarnation = 0;
  #process: MemberProcess | undefined;
  #peakBytes = 0;
  /** A stop, a kill or a restart is going on: another fault must not come between. */
  busy = false;
  /** The network is disturbed on purpose. */
  disturbed = false;

  constructor(spec: Omit<ProcessSpec, 'incarnation'>, proxy: TcpProxy | undefined, enter: readonly string[] = []) {
    this.name = spec.name;
    this.role = spec.role;
    this.proxy = proxy;
    this.#spec = spec;
    this.#enter = enter;
  }

  get process(): MemberProcess | undefined {
    return this.#process;
  }

  /** Of the process that has this place now. */
  get id(): string {
    return this.#process?.id ?? this.name;
  }

  get peakBytes(): number {
    return Math.max(this.#peakBytes, this.#process?.peakBytes ?? 0);
  }

  async start(): Promise<void> {
    this.#process = new MemberProcess({ ...this.#spec, incarnation: ++this.#incarnation }, { enter: this.#enter });
    await this.#process.ready();
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
    this.#note();
  }

  async leave(): Promise<void> {
    await this.#process?.leave();
    this.#note();
  }

  async replace(end: () => Promise<void>): Promise<void> {
    await end();
    await delay(RESPAWN_MS);
    await this.start();
  }

  #note(): void {
    const ended = this.#process;
    if (ended?.end === undefined || this.ends.includes(ended.end)) return;
    this.ends.push(ended.end);
    this.#peakBytes = Math.max(this.#peakBytes, ended.peakBytes);
  }
}

/** All producers and consumers, each behind a proxy of its own where there is one Redis. */
export class Fleet {
  readonly places: readonly Place[];

  private constructor(places: readonly Place[]) {
    this.places = places;
  }

  static async open(options: RunOptions, ground: Ground, dir: string): Promise<Fleet> {
    const { address } = ground;
    const names = [
      ...Array.from({ length: options.producers }, (_, i) => ({ role: 'producer' as const, name: producerName(i) })),
      ...Array.from({ length: options.consumers }, (_, i) => ({ role: 'consumer' as const, name: consumerName(i) })),
    ];
    const places = await Promise.all(
      names.map(async ({ role, name }) => {
        const proxy = address.kind === 'url' ? await TcpProxy.start(address.url) : undefined;
        const own = proxy === undefined ? address : { kind: 'url' as const, url: proxy.url };
        return new Place({ role, name, address: own, dir, options }, proxy, ground.enter?.(name));
      }),
    );
    return new Fleet(places);
  }

  place(name: string): Place | undefined {
    return this.places.find((place) => place.name === name);
  }

  of(role: ProcessSpec['role']): readonly Place[] {
    return this.places.filter((place) => place.role === role);
  }

  async start(role: ProcessSpec['role']): Promise<void> {
    await Promise.all(this.of(role).map((place) => place.start()));
  }

  /** Everybody of that role leaves in good order. */
  async leave(role: ProcessSpec['role']): Promise<void> {
    await Promise.all(this.of(role).map((place) => place.leave()));
  }

  /** Ends what still runs, and the proxies. Whatever has happened before. */
  async close(): Promise<void> {
    await Promise.all(this.places.map((place) => place.kill()));
    await Promise.all(this.places.map(async (place) => place.proxy?.close()));
  }

  noteMemory(): void {
    for (const place of this.places) place.process?.noteMemory();
  }
}
