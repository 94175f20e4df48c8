import { parseArgs } from 'node:util';
import * as z from 'zod';

/** The strategies that `--strategy` takes. */
const STRATEGIES = ['block', 'drop_oldest', 'drop_newest', 'sample'] as const;

export interface DemoOptions {
  readonly durationMs: number;
  readonly strategy: (typeof STRATEGIES)[number];
  readonly producers: number;
  readonly consumers: number;
  /** Most items in the buffer, in flight included. */
  readonly capacity: number;
  /** One JSON object as the last line of stdout; progress goes to stderr. */
  readonly json: boolean;
  /** Plain lines although stdout is a terminal. */
  readonly plain: boolean;
  /** 0 takes a free port. */
  readonly metricsPort: number;
}

/** A fault in the command line: its message names the option and the value. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const HELP = `npm start -- [options]

Replays 231,083 real flights through one bounded buffer in Redis into a Postgres that turns slow and recovers,
with several producer and consumer processes, and checks the books at the end.

  --duration SECONDS    how long the producers offer, 5 to 3600 (45)
  --strategy NAME       when the buffer is full: ${STRATEGIES.join(', ')} (block)
  --producers N         producer processes, 1 to 16 (3)
  --consumers N         consumer processes, 1 to 16 (2)
  --capacity ITEMS      bound of the buffer, 100 to 1000000 (10000)
  --metrics-port PORT   where /metrics listens on 127.0.0.1, 0 for a free port (0)
  --plain               plain lines instead of the live view
  --json                the report as one JSON object, the last line of stdout; progress on stderr
  --help                this text

REDIS_URL and DATABASE_URL use servers of yours instead of those that the demo starts.
Ctrl-C drains and reports; a second one ends at once. Exit code: 0 when the books balance and the bound held,
1 when not, 2 for a wrong option.`;

const wholeNumber = (min: number, max: number) => {
  const error = `a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d+$/, { error })
    .transform(Number)
    .pipe(z.number().min(min, { error }).max(max, { error }));
};

const seconds = (min: number, max: number) => {
  const error = `a number of seconds from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d+(\.\d+)?$/, { error })
    .transform(Number)
    .pipe(z.number().min(min, { error }).max(max, { error }));
};

const schema = z.object({
  duration: seconds(5, 3600).default(45),
  strategy: z.enum(STRATEGIES, { error: `one of ${STRATEGIES.join(', ')}` }).default('block'),
  producers: wholeNumber(1, 16).default(3),
  consumers: wholeNumber(1, 16).default(2),
  capacity: wholeNumber(100, 1_000_000).default(10_000),
  'metrics-port': wholeNumber(0, 65_535).default(0),
});

/**
 * Reads the command line.
 *
 * @throws UsageError that names each wrong option with its value.
 */
export function parseOptions(argv: readonly string[]): DemoOptions | 'help' {
  const values = readArguments(argv);
  if (values.help === true) return 'help';
  const parsed = schema.safeParse(values);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => {
      const option = String(issue.path[0]);
      return `--${option} ${JSON.stringify(values[option as keyof typeof values])}: must be ${issue.message}`;
    });
    throw new UsageError(faults.join('\n'));
  }
  const { duration, strategy, producers, consumers, capacity } = parsed.data;
  return {
    durationMs: Math.round(duration * 1000),
    strategy,
    producers,
    consumers,
    capacity,
    json: values.json === true,
    plain: values.plain === true,
    metricsPort: parsed.data['metrics-port'],
  };
}

function readArguments(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...argv],
      allowPositionals: false,
      options: {
        duration: { type: 'string' },
        strategy: { type: 'string' },
        producers: { type: 'string' },
        consumers: { type: 'string' },
        capacity: { type: 'string' },
        'metrics-port': { type: 'string' },
        json: { type: 'boolean' },
        plain: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
