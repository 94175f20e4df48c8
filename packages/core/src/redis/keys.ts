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

/** What each of them holds, as `TYPE` calls it; of others by what comes before their first colon. */
export const KEY_TYPES: Readonly<Record<string, string>> = {
  config: 'hash',
  state: 'hash',
  ready: 'list',
  leases: 'zset',
  batches: 'hash',
  waiters: 'zset',
  tickets: 'zset',
  dead: 'stream',
  epoch: 'hash',
  events: 'stream',
  nodes: 'zset',
  batch: 'list',
  session: 'string',
};

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

  /** What this key is to hold. */
  typeOf(key: string): string | undefined {
    const [kind = ''] = key.slice(this.prefix.length + 1).split(':');
    return KEY_TYPES[kind];
  }
}

/** The prefix of every key of a buffer. */
export function bufferPrefix(name: string): string {
  return `bp:{${name}}`;
}
