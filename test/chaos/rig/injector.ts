import { setTimeout as delay } from 'node:timers/promises';
import type { TcpProxy } from '../../support/tcp-proxy.js';
import { nowUs } from '../clock.js';
import { KEY_PREFIX } from '../options.js';
import { type FaultRecord, isOfNetwork, type PlannedFault } from '../plan/faults.js';
import type { Fleet, Place } from './fleet.js';
import type { Ground } from './ground.js';
import type { Operator } from './operator.js';

/** A fault that can't be carried out now, and why. */
class Skip extends Error {}

/** Carries out a plan. Faults of the same kind, or on the same process, do not overlap; others do. */
export class Injector {
  readonly records: FaultRecord[] = [];
  readonly #fleet: Fleet;
  readonly #ground: Ground;
  readonly #operator: Operator;
  readonly #under = new Set<string>();
  #end: () => void = () => {};
  readonly #over = new Promise<void>((resolve) => {
    this.#end = resolve;
  });
  #redisDown = false;
  /** When Redis was executed again after each kill, in µs. */
  readonly restarts: number[] = [];

  constructor(fleet: Fleet, ground: Ground, operator: Operator) {
    this.#fleet = fleet;
    this.#ground = ground;
    this.#operator = operator;
  }

  /** Resolves when the last fault is over. */
  async carryOut(plan: readonly PlannedFault[], startedUs: number, signal?: AbortSignal): Promise<void> {
    const running: Promise<void>[] = [];
    let failure: { readonly error: unknown } | undefined;
    for (const planned of plan) {
      const waitMs = planned.atMs - (nowUs() - startedUs) / 1_000;
      if (waitMs > 0) await delay(waitMs, undefined, { signal });
      if (failure !== undefined) break;
      running.push(
        this.#inject(planned).catch((error: unknown) => {
          failure ??= { error };
        }),
      );
    }
    // A reply that nobody asks for is not waited for: until here it might have been swallowed.
    this.#end();
    await Promise.all(running);
    if (failure !== undefined) throw failure.error;
  }

  async #inject(planned: PlannedFault): Promise<void> {
    const { fault, target: name, value } = planned;
    const place = name === undefined ? undefined : this.#fleet.place(name);
    // A disturbed network is its place's, whoever is there; what is done to a process is done to that one.
    const target = place === undefined ? {} : { target: isOfNetwork(fault) ? place.name : place.id };
    const fromUs = nowUs();
    const about = { fault, ...target, ...(value === undefined ? {} : { value }), fromUs };
    try {
      if (place === undefined) await this.#injectShared(planned);
      else await this.#injectOne(planned, place);
      this.records.push({ ...about, toUs: nowUs() });
    } catch (error) {
      if (!(error instanceof Skip)) throw error;
      this.records.push({ ...about, toUs: fromUs, skipped: error.message });
    }
  }

  #injectOne({ fault, forMs, value }: PlannedFault, place: Place): Promise<void> {
    switch (fault) {
      case 'kill-producer':
      case 'kill-consumer':
        return this.#process(place, () => place.replace(() => place.kill()));
      case 'restart':
        return this.#process(place, () => place.replace(() => place.leave()));
      case 'stop-producer':
      case 'stop-consumer':
        return this.#process(place, () => stopFor(place, forMs));
      case 'cut':
        proxyOf(place).cutAll();
        return Promise.resolve();
      case 'swallow-reply':
        // The second key of our scripts; BullMQ's have other names.
        return Promise.race([proxyOf(place).dropNextReply(value === 1 ? `${KEY_PREFIX}state` : ''), this.#over]);
      case 'swallow-request':
      case 'hang':
      case 'refuse':
        return this.#network(place, fault, forMs);
      default:
        throw new Error(`${fault} has no target.`);
    }
  }

  #injectShared({ fault, forMs, value = 0 }: PlannedFault): Promise<void> {
    switch (fault) {
      case 'kill-redis':
        return this.#alone(fault, () => this.#killRedis(forMs));
      case 'script-flush':
        return this.#alone(fault, () => this.#orSkip(this.#operator.flushScripts()));
      case 'memory':
        return this.#alone(fault, () =>
          this.#lasting(forMs, this.#operator.squeezeMemory(value), () => this.#operator.freeMemory()),
        );
      case 'obliterate':
        return this.#alone(fault, () => this.#orSkip(this.#operator.loseBells(value === 1)));
      case 'cut-signals':
        return this.#alone(fault, () => this.#orSkip(this.#operator.cutSignals()));
      case 'limit':
        return this.#alone(fault, () =>
          this.#lasting(forMs, this.#operator.setLimit(value), () => this.#operator.resetLimit()),
        );
      case 'pause':
        return this.#alone(fault, () =>
          this.#lasting(forMs, this.#operator.pause(value), () => this.#operator.resume()),
        );
      default:
        throw new Error(`${fault} needs a target.`);
    }
  }

  /** What does something to the process itself; one such thing at a time. */
  async #process(place: Place, run: () => Promise<void>): Promise<void> {
    if (place.busy || place.process?.running !== true) throw new Skip('the process is down or stopped');
    place.busy = true;
    try {
      await run();
    } finally {
      place.busy = false;
    }
  }

  async #network(place: Place, fault: 'swallow-request' | 'hang' | 'refuse', forMs: number): Promise<void> {
    if (place.disturbed) throw new Skip('its network is disturbed already');
    const proxy = proxyOf(place);
    place.disturbed = true;
    try {
      if (fault === 'refuse') await proxy.refuse();
      else proxy.blackHole();
      await delay(forMs);
      // What was sent into the hole has not reached Redis, and is not to.
      if (fault === 'swallow-request') proxy.cutAll();
      await proxy.pass();
    } finally {
      place.disturbed = false;
    }
  }

  async #alone(fault: string, run: () => Promise<void>): Promise<void> {
    if (this.#under.has(fault)) throw new Skip('the last one is not over');
    this.#under.add(fault);
    try {
      await run();
    } finally {
      this.#under.delete(fault);
    }
  }

  async #killRedis(pauseMs: number): Promise<void> {
    if (this.#ground.killAndRestart === undefined) throw new Skip('there is more than one Redis');
    this.#redisDown = true;
    try {
      const { startedUs } = await this.#ground.killAndRestart(pauseMs);
      this.restarts.push(startedUs);
    } finally {
      this.#redisDown = false;
    }
  }

  /** What begins, lasts and is undone; the undoing is repeated until Redis hears it. */
  async #lasting(forMs: number, begun: Promise<unknown>, undo: () => Promise<unknown>): Promise<void> {
    try {
      await this.#orSkip(begun);
      await delay(forMs);
    } finally {
      await undo();
    }
  }

  async #orSkip(done: Promise<unknown>): Promise<void> {
    try {
      await done;
    } catch (error) {
      throw new Skip(this.#redisDown ? 'Redis was away' : String(error));
    }
  }
}

/** Who knows several servers is before no proxy: they tell each other's addresses. */
function proxyOf({ proxy }: Place): TcpProxy {
  if (proxy === undefined) throw new Skip('it is before no proxy');
  return proxy;
}

async function stopFor(place: Place, forMs: number): Promise<void> {
  const stopped = place.process;
  stopped?.signal('SIGSTOP');
  await delay(forMs);
  stopped?.signal('SIGCONT');
}
