import { batchStories } from '../check/batches.js';
import { type Executed, execute } from '../execute.js';
import { allFaults, DEFAULT_OPTIONS, type RunOptions } from '../options.js';
import type { Bar } from './bar.js';

interface PlannedBar {
  readonly name: string;
  readonly title: string;
  readonly must: string;
  readonly options: Partial<RunOptions>;
  /** Beyond what must hold in every run. */
  readonly judge?: (executed: Executed) => readonly string[];
  readonly figures?: readonly string[];
}

const { leaseMs } = DEFAULT_OPTIONS;
/** The intervals of the run are 5 ms; see bufferSpec. */
const INTERVAL_MS = 5;
const POLL_MS = 1_000;

/** The loop of a process may be late when a timer is set and when it fires. */
const lagOf = ({ history }: Executed) => 2 * history.lagMs;
const rule = (holds: boolean, violation: string) => (holds ? [] : [violation]);
const figure = ({ summary }: Executed, name: string) => summary.figures[name] ?? Number.NaN;

const PLANNED: readonly PlannedBar[] = [
  {
    name: 'B1',
    title: 'all faults, 60 s',
    must: 'lost, unexpected, refused but flushed, over limit, torn 0; books exact; residue 0',
    options: {},
  },
  {
    name: 'B2',
    title: 'all faults, 120 s',
    must: 'as B1, at least 5 kills of Redis and 300,000 items admitted',
    options: { seconds: 120, rates: { ...allFaults(), 'stop-producer': 0.5 }, algorithm: 'interval' },
    judge: (run) => [
      ...rule((run.summary.faults['kill-redis'] ?? 0) >= 5, 'fewer than 5 kills of Redis'),
      ...rule(figure(run, 'admitted') >= 300_000, `${figure(run, 'admitted')} items admitted, 300,000 wanted`),
    ],
  },
  {
    name: 'B3',
    title: 'all faults, 60 s, with an eye on what was flushed twice',
    must: 'at most a batch per slot for each fault of a consumer, at most 0.5 % of all, none unexplained or after its ack',
    options: {},
    judge: (run) => rule(figure(run, 'duplicates') > 0, 'nothing was flushed twice: the bar shows nothing'),
    figures: [
      'duplicatesAllowed',
      'duplicatesPerConsumerFault',
      'duplicatesPerMille',
      'duplicatesUnexplained',
      'redeliveredAfterAck',
    ],
  },
  {
    name: 'B4a',
    title: 'calm, 60 s',
    must: 'duplicates exactly 0, lost 0',
    options: { rates: {}, failures: 0 },
    judge: (run) => rule(figure(run, 'duplicates') === 0, `${figure(run, 'duplicates')} duplicates without a fault`),
  },
  {
    name: 'B4b',
    title: 'clean rolling restart by SIGTERM of all processes, three times',
    must: 'duplicates exactly 0, lost 0, every process leaves with code 0',
    options: { rates: { restart: 3 }, failures: 0 },
    judge: (run) => [
      ...rule(figure(run, 'duplicates') === 0, `${figure(run, 'duplicates')} duplicates in a clean restart`),
      ...rule((run.summary.faults.restart ?? 0) >= 20, 'fewer restarts than were planned'),
      ...rule(figure(run, 'indeterminate') === 0, `${figure(run, 'indeterminate')} pushes without an answer`),
    ],
  },
  {
    name: 'B5',
    title: 'kill -9 of a consumer every 2 s',
    must: `redelivered within lease + interval + 0.5 s (${leaseMs + INTERVAL_MS + 500} ms)`,
    options: { rates: { 'kill-consumer': 1.25 } },
    judge: (run) => {
      const worstMs = figure(run, 'redeliveryMaxMs');
      return [
        ...rule(worstMs > 0, 'nothing was redelivered: the bar shows nothing'),
        ...rule(worstMs <= leaseMs + INTERVAL_MS + 500 + lagOf(run), `redelivered after ${worstMs} ms`),
      ];
    },
    figures: ['redeliveryMaxMs'],
  },
  {
    name: 'B6',
    title: 'SIGSTOP of a consumer for 1.5 leases, 30 times',
    must: 'every late settlement stale, nothing settled twice, books exact',
    options: { rates: { 'stop-consumer': 2.4 } },
    judge: (run) => rule(zombies(run) > 0, 'no zombie tried to settle: the bar shows nothing'),
  },
  {
    name: 'B7',
    title: 'about 1 % of replies and of requests swallowed',
    must: 'lost 0, admitted twice 0',
    options: { rates: { 'swallow-reply': 2.5, 'swallow-request': 6 } },
  },
  {
    name: 'B8a',
    title: 'kill -9 of Redis (everysec), 6 times',
    must: 'lost 0; admitting again within 2 s of its start',
    options: { rates: { 'kill-redis': 2 } },
    judge: (run) => {
      const worstMs = figure(run, 'admittingAgainMaxMs');
      return [
        ...rule((run.summary.faults['kill-redis'] ?? 0) >= 5, 'fewer than 5 kills of Redis'),
        ...rule(worstMs <= 2_000 + lagOf(run), `admitting again after ${worstMs} ms`),
      ];
    },
    figures: ['admittingAgainMaxMs'],
  },
  {
    name: 'B17',
    title: 'every bell lost 60 times, and every wake message 60 times',
    must: `lost 0; never idle with a backlog for more than two polls (${2 * POLL_MS} ms)`,
    options: { rates: { obliterate: 15, 'cut-signals': 10 } },
    judge: (run) => rule(idleMs(run) <= 2 * POLL_MS + lagOf(run), `nothing was flushed for ${idleMs(run)} ms`),
  },
  {
    name: 'B19',
    title: 'SCRIPT FLUSH 20 times a second',
    must: 'not one error to a user',
    options: { rates: { 'script-flush': 100 } },
    judge: (run) => [
      ...rule(figure(run, 'indeterminate') === 0, `${figure(run, 'indeterminate')} pushes without an answer`),
      ...rule(unavailable(run) === 0, `${unavailable(run)} pushes refused as unavailable`),
      ...rule(run.history.errors.length === 0, `${run.history.errors.length} errors of consumers`),
    ],
  },
];

/** The longest time without a flush, in ms. The producers push all the time, so there was a backlog. */
export function idleMs({ history }: Executed): number {
  const times = history.flushes.map(({ at }) => at).filter((at) => at >= history.startedUs && at <= history.endedUs);
  times.sort((a, b) => a - b);
  return Math.round(times.reduce((longest, at, i) => Math.max(longest, at - (times[i - 1] ?? at)), 0) / 1_000);
}

/** Settlements that came too late. */
function zombies({ history }: Executed): number {
  return [...batchStories(history.calls).values()].filter(({ stale }) => stale).length;
}

function unavailable({ history }: Executed): number {
  return history.pushes.reduce((sum, { end }) => sum + (end?.ends.match(/[un]/g)?.length ?? 0), 0);
}

const ALWAYS = ['admitted', 'flushed', 'duplicates', 'indeterminate', 'recovered'] as const;

export const PLANNED_BARS: readonly Bar[] = PLANNED.map(({ name, title, must, options, judge, figures = [] }) => ({
  name,
  title,
  must,
  run: async (seed, context) => {
    const executed = await execute({ ...DEFAULT_OPTIONS, ...options, seed }, context);
    const names = [...ALWAYS, ...figures, 'callsReplayedOnModel'];
    return {
      violations: [...executed.summary.violations, ...(judge?.(executed) ?? [])],
      figures: {
        ...Object.fromEntries(names.map((each) => [each, executed.summary.figures[each] ?? 0])),
        faults: Object.values(executed.summary.faults).reduce((sum, n) => sum + n, 0),
        lateSettlements: zombies(executed),
        longestIdleMs: idleMs(executed),
        lagMs: executed.history.lagMs,
      },
    };
  },
}));
