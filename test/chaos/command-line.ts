import { parseArgs } from 'node:util';
import { allFaults, DEFAULT_OPTIONS, type RunOptions } from './options.js';
import { FAULTS, type Fault } from './plan/faults.js';

export const HELP = `pnpm chaos [options]: real producers and consumers under faults, and a checker that trusts none of our counters.

  --seconds N       length of the run (60)
  --seed N          what happens, in which order, to whom (1); a failing run prints its seed
  --producers N     processes (4), each with --lanes N loops (8)
  --consumers N     processes (4), each with --concurrency N flush slots (2)
  --limit N         maxBufferSize (500); --limit-bytes N adds maxBufferBytes
  --batch N         batchSize (25)
  --lease-ms N      leaseMs (2000)
  --strategy S      block (default), drop_oldest, drop_newest, sample
  --algorithm A     elastic (default), interval, fixed
  --faults LIST     only these, by commas, each with an optional rate: kill-redis:2,cut
                    (${FAULTS.join(', ')})
  --calm            no faults, no failing flushes
  --no-record       without the record in Redis: the scripts run as they are, and the model is not replayed
  --bars [LIST]     the acceptance bars, all or B4,B8; --mutants [LIST]: the seeded bugs
  --keep            keeps the journals, and prints where
  --json            the result as one JSON line on stdout
  --help            this

Exit code 0: everything held. 1: something did not. 2: the options are wrong.`;

/** What the command line asks for. */
export interface Command {
  readonly mode: 'run' | 'bars' | 'mutants' | 'help';
  /** Names after `--bars` or `--mutants`; none: all. */
  readonly names: readonly string[];
  readonly options: RunOptions;
  readonly json: boolean;
}

export class UsageError extends Error {}

const STRATEGIES = ['block', 'drop_oldest', 'drop_newest', 'sample'] as const;
const ALGORITHMS = ['elastic', 'interval', 'fixed'] as const;
const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;

/** @throws UsageError that names the option */
export function parseCommand(argv: readonly string[]): Command {
  const { values, positionals } = parse(argv);
  const number = (
    name: 'seconds' | 'seed' | 'producers' | 'lanes' | 'consumers' | 'concurrency' | 'limit' | 'batch',
    fallback: number,
  ) => wholeNumber(name, values[name], fallback);
  const limitBytes =
    values['limit-bytes'] === undefined ? undefined : wholeNumber('limit-bytes', values['limit-bytes'], 0);
  const options: RunOptions = {
    ...DEFAULT_OPTIONS,
    seconds: number('seconds', DEFAULT_OPTIONS.seconds),
    seed: number('seed', DEFAULT_OPTIONS.seed),
    producers: number('producers', DEFAULT_OPTIONS.producers),
    lanes: number('lanes', DEFAULT_OPTIONS.lanes),
    consumers: number('consumers', DEFAULT_OPTIONS.consumers),
    concurrency: number('concurrency', DEFAULT_OPTIONS.concurrency),
    limit: number('limit', DEFAULT_OPTIONS.limit),
    limitBytes,
    batch: number('batch', DEFAULT_OPTIONS.batch),
    leaseMs: wholeNumber('lease-ms', values['lease-ms'], DEFAULT_OPTIONS.leaseMs),
    strategy: oneOf('strategy', STRATEGIES, values.strategy, DEFAULT_OPTIONS.strategy),
    algorithm: oneOf('algorithm', ALGORITHMS, values.algorithm, DEFAULT_OPTIONS.algorithm),
    rates: values.calm ? {} : values.faults === undefined ? allFaults() : ratesOf(values.faults),
    failures: values.calm ? 0 : DEFAULT_OPTIONS.failures,
    record: values['no-record'] !== true,
    mutant: values.mutant,
    keep: values.keep === true,
  };
  const mode = values.help ? 'help' : values.bars ? 'bars' : values.mutants ? 'mutants' : 'run';
  const names = positionals.flatMap((text) => text.split(',')).filter((name) => name !== '');
  if (names.length > 0 && mode !== 'bars' && mode !== 'mutants')
    throw new UsageError(`unexpected argument: ${names[0]}`);
  return { mode, names, options, json: values.json === true };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: argv.filter((arg) => arg !== '--'),
      allowPositionals: true,
      options: {
        seconds: TEXT,
        seed: TEXT,
        producers: TEXT,
        lanes: TEXT,
        consumers: TEXT,
        concurrency: TEXT,
        limit: TEXT,
        'limit-bytes': TEXT,
        batch: TEXT,
        'lease-ms': TEXT,
        strategy: TEXT,
        algorithm: TEXT,
        faults: TEXT,
        mutant: TEXT,
        calm: FLAG,
        'no-record': FLAG,
        bars: FLAG,
        mutants: FLAG,
        keep: FLAG,
        json: FLAG,
        help: FLAG,
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function wholeNumber(name: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isSafeInteger(value) || value < 0 || (value === 0 && name !== 'seed' && name !== 'consumers')) {
    throw new UsageError(`--${name} must be a whole number above 0 (got ${text})`);
  }
  return value;
}

function oneOf<T extends string>(name: string, known: readonly T[], text: string | undefined, fallback: T): T {
  const found = text === undefined ? fallback : known.find((each) => each === text);
  if (found === undefined) throw new UsageError(`--${name} must be one of ${known.join(', ')} (got ${text})`);
  return found;
}

function ratesOf(list: string): RunOptions['rates'] {
  const rates: Partial<Record<Fault, number>> = {};
  for (const entry of list.split(',')) {
    const [name, rate = '1'] = entry.split(':');
    const fault = FAULTS.find((each) => each === name);
    if (fault === undefined || !(Number(rate) > 0))
      throw new UsageError(`--faults: unknown or without a rate: ${entry}`);
    rates[fault] = Number(rate);
  }
  return rates;
}
