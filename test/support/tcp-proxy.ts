import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { RespFrames } from './resp-frames.js';

/**
 * A network between a client and Redis that fails on command. In this process, on 127.0.0.1.
 *
 * ```ts
 * const proxy = await TcpProxy.start(inject('redisUrl'));
 * const producer = new BackpressureProducer(buffer, { connection: proxy.url });
 * const lost = proxy.dropNextReply('evalsha');
 * ```
 */
export class TcpProxy {
  readonly #target: URL;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #drops: Drop[] = [];
  #port = 0;
  #delayMs = 0;
  #blackHole = false;
  #losesMessages = false;
  #connections = 0;

  private constructor(url: string) {
    this.#target = new URL(url);
    this.#server = createServer((client) => this.#accept(client));
  }

  /** In front of the Redis at this URL; passes everything on. */
  static async start(url: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(url);
    await proxy.pass();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** With the user of the Redis behind it. */
  get url(): string {
    return String(Object.assign(new URL(this.#target), { host: `127.0.0.1:${this.#port}` }));
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#pairs.size;
  }

  /** Connections that were accepted, ever. */
  get accepted(): number {
    return this.#connections;
  }

  /** Everything works; what a black hole kept arrives now. */
  async pass(): Promise<void> {
    this.#blackHole = false;
    this.#delayMs = 0;
    if (!this.#server.listening) {
      this.#server.listen(this.#port, '127.0.0.1');
      await once(this.#server, 'listening');
      this.#port = (this.#server.address() as AddressInfo).port;
    }
    for (const pair of this.#pairs) pair.thaw();
  }

  /** Connections are accepted and stay, but nothing gets through until `pass()`. */
  blackHole(): void {
    this.#blackHole = true;
    for (const pair of this.#pairs) pair.freeze();
  }

  /** Nobody listens, and what was connected is reset. */
  async refuse(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, 'close') : undefined;
    if (closed !== undefined) this.#server.close();
    this.cutAll();
    await closed;
  }

  /** Whoever has subscribed hears nothing any more, though his connection works. */
  loseMessages(): void {
    this.#losesMessages = true;
  }

  /** Every byte arrives so much later, each way. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Resets every connection; new ones work. */
  cutAll(): void {
    for (const pair of this.#pairs) pair.reset();
  }

  /**
   * Passes on the next request that contains the text (any, if none is given), swallows the reply to it, and resets the
   * connection: Redis has carried it out and the client can't know. Resolves when that has happened.
   */
  dropNextReply(text = ''): Promise<void> {
    return new Promise((resolve) => this.#drops.push({ text: text.toLowerCase(), resolve }));
  }

  async close(): Promise<void> {
    await this.refuse();
  }

  #accept(client: Socket): void {
    this.#connections++;
    const pair = new Pair(client, connect(Number(this.#target.port || 6379), this.#target.hostname), {
      delayMs: () => this.#delayMs,
      takeDrop: (request) => this.#takeDrop(request),
      loses: (reply) => this.#losesMessages && isMessage(reply),
      closed: () => this.#pairs.delete(pair),
    });
    this.#pairs.add(pair);
    if (this.#blackHole) pair.freeze();
  }

  #takeDrop(request: Buffer): Drop | undefined {
    const [drop] = this.#drops;
    if (drop === undefined || !request.toString('latin1').toLowerCase().includes(drop.text)) return undefined;
    return this.#drops.shift();
  }
}

/** Of a channel, or of one that is sharded. */
function isMessage(frame: Buffer): boolean {
  return /^[*>]3\r\n\$[78]\r\ns?message\r\n/.test(frame.toString('latin1', 0, 20));
}

interface Drop {
  readonly text: string;
  readonly resolve: () => void;
}

interface PairOptions {
  delayMs(): number;
  takeDrop(request: Buffer): Drop | undefined;
  loses(reply: Buffer): boolean;
  closed(): void;
}

/** One connection of a client and ours to Redis for it. */
class Pair {
  readonly #client: Socket;
  readonly #redis: Socket;
  readonly #options: PairOptions;
  readonly #requests = new RespFrames();
  readonly #replies = new RespFrames();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Bytes under way, by direction: each timer delivers the first, so that their order stays. */
  readonly #toRedis: (() => void)[] = [];
  readonly #toClient: (() => void)[] = [];
  #requested = 0;
  #replied = 0;
  /** By the number of the request whose reply is to be lost. */
  readonly #drops = new Map<number, Drop>();

  constructor(client: Socket, redis: Socket, options: PairOptions) {
    this.#client = client;
    this.#redis = redis;
    this.#options = options;
    client.setNoDelay(true);
    redis.setNoDelay(true);
    client.on('data', (bytes) => this.#later(this.#toRedis, () => this.#request(bytes)));
    redis.on('data', (bytes) => this.#later(this.#toClient, () => this.#reply(bytes)));
    for (const socket of [client, redis]) {
      socket.on('error', () => {});
      socket.on('close', () => this.reset());
    }
  }

  freeze(): void {
    this.#client.pause();
    this.#redis.pause();
  }

  thaw(): void {
    this.#client.resume();
    this.#redis.resume();
  }

  reset(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    if (!this.#client.destroyed) this.#client.resetAndDestroy();
    if (!this.#redis.destroyed) this.#redis.destroy();
    this.#options.closed();
  }

  #request(bytes: Buffer): void {
    for (const frame of this.#requests.feed(bytes)) {
      const drop = this.#options.takeDrop(frame);
      if (drop !== undefined) this.#drops.set(this.#requested, drop);
      this.#requested++;
    }
    this.#redis.write(bytes);
  }

  #reply(bytes: Buffer): void {
    // What came together costs one write.
    this.#client.cork();
    for (const frame of this.#replies.feed(bytes)) {
      if (this.#options.loses(frame)) continue;
      // Pushed by RESP3, not asked for.
      if (frame[0] !== 0x3e) {
        const drop = this.#drops.get(this.#replied++);
        if (drop !== undefined) {
          this.#client.uncork();
          this.reset();
          return drop.resolve();
        }
      }
      this.#client.write(frame);
    }
    this.#client.uncork();
  }

  #later(underWay: (() => void)[], deliver: () => void): void {
    const delayMs = this.#options.delayMs();
    if (delayMs === 0 && underWay.length === 0) return deliver();
    underWay.push(deliver);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      underWay.shift()?.();
    }, delayMs);
    this.#timers.add(timer);
  }
}
