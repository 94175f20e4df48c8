export interface ProvidedRedis {
  readonly url: string;
  /** Where it came from: `REDIS_URL`, `docker`, or the path of the server program. */
  readonly source: string;
  stop(): Promise<void>;
}

/** Finds or starts a Redis, whichever comes first: `REDIS_URL`, a server on PATH, a container, the distribution's package. */
export function provideRedis(options?: {
  readonly log?: (line: string) => void;
  /** Links to try, in order, separated by commas. Default: `REDIS_PROVIDER`, else `url,path,docker,apt`. */
  readonly order?: string;
}): Promise<ProvidedRedis>;

/** A server of one's own, for faults and demonstrations. It never outlives the process that started it. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Of the server process itself, so that any signal reaches it. */
  readonly pid: number;
  readonly dir: string;
  /** Ends the server in good order, then removes `dir` if `startRedisServer` made it. May be called twice. */
  stop(): Promise<void>;
  /**
   * Sends a signal, SIGKILL by default. Resolves when the process is gone (SIGKILL, SIGTERM), else at once. The directory
   * stays: start again with the same `port` and `dir` to see what a restart keeps.
   */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

export interface RedisServerOptions {
  /** Options for the server, such as `['--appendonly', 'yes']`; the first may be the path of a configuration file. Without `--save` or a file there are no snapshots. */
  readonly args?: readonly string[];
  /** Default: a free one. */
  readonly port?: number;
  /** Where the server keeps its files. Default: a new temporary directory. */
  readonly dir?: string;
  readonly log?: (line: string) => void;
}

/** Starts a server on 127.0.0.1, from PATH, the cache, or the distribution's package; resolves when it accepts connections. */
export function startRedisServer(options?: RedisServerOptions): Promise<RedisServer>;
