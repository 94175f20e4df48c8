import { printableBar, runBars } from './bars/bars.js';
import { HELP, parseCommand, UsageError } from './command-line.js';
import { execute } from './execute.js';
import { allCaught, printableMutants, runMutants } from './mutants/run-mutants.js';
import { printable } from './report/print.js';

/** `pnpm chaos`. Progress goes to stderr, the result to stdout. */
async function main(): Promise<number> {
  const command = parseCommand(process.argv.slice(2));
  const log = (line: string) => process.stderr.write(`${line}\n`);
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());
  if (command.mode === 'help') {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const context = { log, signal: interrupt.signal };
  if (command.mode === 'mutants') {
    const results = await runMutants(command.names, command.options.seed, context);
    process.stdout.write(`${command.json ? JSON.stringify(results) : printableMutants(results)}\n`);
    return allCaught(results) ? 0 : 1;
  }
  if (command.mode === 'bars') {
    const results = await runBars(command.names, command.options.seed, context);
    process.stdout.write(`${command.json ? JSON.stringify(results) : results.map(printableBar).join('\n')}\n`);
    return results.every(({ violations }) => violations.length === 0) ? 0 : 1;
  }
  const { summary } = await execute(command.options, context);
  process.stdout.write(`${command.json ? JSON.stringify(summary) : printable(summary)}\n`);
  return summary.passed ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(error instanceof UsageError ? `${error.message}\n\n${HELP}\n` : `${(error as Error).stack}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
