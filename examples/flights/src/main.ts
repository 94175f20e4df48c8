/** `npm start`: the demo from the command line to the exit code. */
import { runDemo } from './demo.js';
import { type DemoOptions, HELP, parseOptions, UsageError } from './options.js';
import { checkEvidence, exitCodeOf, reportLines, reportObject } from './report.js';
import { openScreen } from './screen.js';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  let options: DemoOptions | 'help';
  try {
    options = parseOptions(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\nTry --help.\n`);
    return 2;
  }
  if (options === 'help') {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  return run(options);
}

async function run(options: DemoOptions): Promise<number> {
  // A reader that goes away (`| head`) must not keep the run from cleaning up.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const stream = options.json ? process.stderr : process.stdout;
  const screen = openScreen(stream, { live: stream.isTTY && !options.plain && !options.json });
  const interrupt = new AbortController();
  const onSignal = () => {
    if (interrupt.signal.aborted) {
      screen.end();
      // The children and Redis end with this process, however it ends.
      process.exit(130);
    }
    interrupt.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);

  try {
    const evidence = await runDemo({
      options,
      screen,
      interrupt: interrupt.signal,
      databaseUrl: process.env.DATABASE_URL || undefined,
    });
    const checks = checkEvidence(evidence);
    screen.end();
    stream.write(`${reportLines(evidence, checks, screen.paint).join('\n')}\n`);
    if (options.json) process.stdout.write(`${JSON.stringify(reportObject(evidence, checks))}\n`);
    return exitCodeOf(checks);
  } catch (error) {
    screen.end();
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
