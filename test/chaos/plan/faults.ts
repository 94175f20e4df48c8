/** What the run does to the system on purpose. */
export const FAULTS = [
  /** SIGKILL of a producer; another takes its place. */
  'kill-producer',
  'kill-consumer',
  /** SIGSTOP for half as long again as a lease, then SIGCONT: a zombie. */
  'stop-producer',
  'stop-consumer',
  /** SIGTERM of a process that then leaves in good order; another takes its place. No fault, but in the plan of a rolling restart. */
  'restart',
  /** Redis carries a request out, the reply is swallowed, the connection reset. */
  'swallow-reply',
  /** Requests are swallowed before Redis sees them, the connections reset. */
  'swallow-request',
  /** Every connection of a process is reset. */
  'cut',
  /** Nothing gets through for a while, then everything at once: requests arrive late. */
  'hang',
  /** Nobody listens for a while. */
  'refuse',
  /** SIGKILL of redis-server, and a restart from its AOF. */
  'kill-redis',
  'script-flush',
  /** `maxmemory` lies just above what is used, for a while. */
  'memory',
  /** `queue.obliterate({ force: true })`, or the lists of BullMQ deleted: every bell is gone. */
  'obliterate',
  /** Every subscriber is disconnected, and what is published meanwhile is lost to it. */
  'cut-signals',
  /** `configure({ maxBufferSize })`, down and up again. */
  'limit',
  /** `pause`, of intake or flush, then `resume`. */
  'pause',
] as const;

export type Fault = (typeof FAULTS)[number];

/** One entry of the plan. */
export interface PlannedFault {
  readonly fault: Fault;
  /** From the beginning of the run. */
  readonly atMs: number;
  /** How long it lasts; 0 for one that is done at once. */
  readonly forMs: number;
  /** The name of the process it is for; undefined when it is for all. */
  readonly target?: string;
  /** What `limit` and `memory` set, what `pause` pauses (1 intake, 2 flush, 3 both), which replies are swallowed, how bells are lost. */
  readonly value?: number;
}

/** An entry of the plan as it came to pass: who really suffered, and from when to when. Times in µs of the monotonic clock. */
export interface FaultRecord {
  /** `clock-jump` is a bar's own, and in no plan. */
  readonly fault: Fault | 'clock-jump';
  readonly target?: string;
  readonly value?: number;
  readonly fromUs: number;
  readonly toUs: number;
  /** Why it was not carried out: its target was down, Redis was away. */
  readonly skipped?: string;
}

const OF_NETWORK: ReadonlySet<FaultRecord['fault']> = new Set([
  'swallow-reply',
  'swallow-request',
  'cut',
  'hang',
  'refuse',
]);
const OF_PROCESS: ReadonlySet<FaultRecord['fault']> = new Set([
  'kill-producer',
  'kill-consumer',
  'stop-producer',
  'stop-consumer',
]);

/** Faults of the network between one process and Redis. */
export function isOfNetwork(fault: Fault): boolean {
  return OF_NETWORK.has(fault);
}

/** Whether a fault hit this process (`c2.1`), itself or its network, and so explains what became of its batches and calls. */
export function hits({ fault, target }: Pick<FaultRecord, 'fault' | 'target'>, who: string): boolean {
  if (target === undefined) return false;
  return OF_PROCESS.has(fault) ? who === target : OF_NETWORK.has(fault) && who.startsWith(`${target}.`);
}
