import type { Figures } from './figures.js';
import type { SimulationReport } from './report.js';

const number = (value: number) => Math.round(value).toLocaleString('en-US');
const percent = (share: number) => `${Number((share * 100).toFixed(1))} %`;
const ms = (value: number | null) => (value === null ? '-' : `${number(value)} ms`);

/** The report for people, without the plot. */
export function printable(figures: Figures, report: SimulationReport): string {
  const rows = rowsOf(report);
  const width = Math.max(...rows.map(([name]) => name.length));
  return [heading(figures, report), ...rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)].join('\n');
}

function heading({ consumers, concurrency, config, downstream }: Figures, report: SimulationReport): string {
  const { servers, discipline, serviceMs } = downstream;
  return (
    `${report.algorithm}, seed ${report.seed}, ${report.durationSeconds} virtual seconds: ` +
    `${report.workers} workers (${consumers} × ${concurrency}), batches of ${config.batchSize}, ${config.strategy}, ` +
    `downstream of ${servers} (${discipline}), ${serviceMs} ms a flush`
  );
}

function rowsOf(report: SimulationReport): (readonly [string, string])[] {
  const { losses, states, drain, final, ageMs, flushMs } = report;
  const reasons = Object.entries(losses).filter(([, count]) => count > 0);
  const shares = Object.entries(states).filter(([, share]) => share > 0);
  return [
    ['offered', `${number(report.offeredPerSecond)} items/s, ${number(report.offered)} in all`],
    [
      'delivered',
      `${number(report.deliveredPerSecond)} items/s, ${percent(shareOf(report.delivered, report.offered))} of them; ` +
        `${percent(report.efficiency)} of what these workers and this downstream can do`,
    ],
    ['lost', reasons.length === 0 ? 'none' : reasons.map(([reason, count]) => `${number(count)} ${reason}`).join(', ')],
    ['left', `${number(report.left)} at the end; ${number(report.peakSize)} in the buffer at most`],
    ['age', `p50 ${ms(ageMs.p50)}, p95 ${ms(ageMs.p95)}`],
    [
      'flush',
      `p50 ${ms(flushMs.p50)}, p95 ${ms(flushMs.p95)}; ${number(report.flushes)}, ${number(report.failures)} failed, ` +
        `${number(report.throttled)} answered 429`,
    ],
    ...(drain === null ? [] : [['drained', drainText(drain)] as const]),
    [
      'at the end',
      `permits ${number(final.permits)}, batch size ${number(final.batchSize)}, interval ${ms(final.intervalMs)}`,
    ],
    ['state', shares.map(([state, share]) => `${state} ${percent(share)}`).join(', ')],
    ['limited by', limitText(report)],
  ];
}

function drainText({ fromSecond, seconds }: NonNullable<SimulationReport['drain']>): string {
  if (seconds === null) return `not within the run (counted from second ${fromSecond})`;
  return seconds < 1 ? `at once, at second ${fromSecond}` : `${number(seconds)} s after second ${fromSecond}`;
}

function limitText({ limitedBy, workers: own, twiceTheWorkers }: SimulationReport): string {
  if (twiceTheWorkers === null) return 'nothing';
  const { workers, deliveredPerSecond, lost, ageMs } = twiceTheWorkers;
  return (
    `${limitedBy} (workers ${number(workers)} instead of ${number(own)}: ${number(deliveredPerSecond)} items/s, ` +
    `lost ${number(lost)}, age p95 ${ms(ageMs.p95)})`
  );
}

const shareOf = (part: number, whole: number) => (whole === 0 ? 1 : part / whole);
