/** The version of the key layout and of the replies. A change that old and new processes can't share raises it. */
export const LAYOUT_VERSION = '1';

/** The keys that every script gets first, in this order; `include/buffer_keys.lua` binds them. */
export const BUFFER_KEYS = [
  'config',
  'state',
  'ready:high',
  'ready:normal',
  'ready:low',
  'leases',
  'batches',
  'waiters',
  'tickets',
  'dead',
  'epoch',
  'events',
  'nodes',
] as const;

/** The keys of one buffer. All share one hash tag, so that a buffer is one slot of a cluster. */
export class BufferKeys {
  /** `bp:{name}`: also the prefix of BullMQ's keys. */
  readonly prefix: string;
  readonly all: readonly string[];
  /** The channel of the signals. */
  readonly channel: string;

  constructor(name: string) {
    this.prefix = bufferPrefix(name);
    this.all = BUFFER_KEYS.map((key) => this.key(key));
    this.channel = this.key('signal');
  }

  key(suffix: string): string {
    return `${this.prefix}:${suffix}`;
  }

  batch(id: string): string {
    return this.key(`batch:${id}`);
  }

  session(id: string): string {
    return this.key(`session:${id}`);
  }
}

/** The prefix of every key of a buffer. */
export function bufferPrefix(name: string): string {
  return `bp:{${name}}`;
}
