import type { BufferStore } from '../domain/store-port.js';
import { type ConnectionInput, connectionFaults } from './connection.js';
import { connectionKey } from './connection-key.js';
import { RedisLink } from './redis-link.js';
import { RedisStore } from './redis-store.js';
import { parseStoreOptions, type RedisStoreOptions } from './store-options.js';

/** The links of this process, by what describes them: connections don't grow with the number of buffers. */
const links = new Map<string | object, SharedLink>();

class SharedLink {
  readonly link: RedisLink;
  #users = 0;
  readonly #forget: () => void;

  constructor(input: ConnectionInput, forget: () => void) {
    this.link = new RedisLink(input);
    this.#forget = forget;
  }

  /** Returns the function that gives the link back; the last one closes it. */
  use(): () => Promise<void> {
    this.#users++;
    let used = true;
    return async () => {
      if (!used) return;
      used = false;
      if (--this.#users > 0) return;
      this.#forget();
      await this.link.close();
    };
  }
}

/**
 * The buffer of this name in that Redis. Connects with the first call.
 *
 * @throws ConfigError for a connection or options that can't be used
 */
export function openRedisStore(
  name: string,
  connection: ConnectionInput,
  options: RedisStoreOptions = {},
): BufferStore {
  const settings = parseStoreOptions(name, options, connectionFaults(connection));
  const shared = sharedLink(connection);
  return new RedisStore(name, shared.link, shared.use(), settings);
}

function sharedLink(input: ConnectionInput): SharedLink {
  const key = connectionKey(input);
  const known = links.get(key);
  if (known !== undefined) return known;
  // Who shares it by its content must not find that changed by whoever described it first.
  const description = key === input || typeof input === 'string' ? input : structuredClone(input);
  const shared = new SharedLink(description, () => links.delete(key));
  links.set(key, shared);
  return shared;
}
