import { parseCommand, UsageError } from './command-line.js';
import { HELP } from './help.js';
import { plotOf } from './plot.js';
import { printable } from './print.js';
import { runFigures } from './run.js';

/** `pnpm simulate`. */
function main(): void {
  const command = parseCommand(process.argv.slice(2));
  if (command.mode === 'help') {
    process.stdout.write(`${HELP}\n`);
    return;
  }
  const { figures, json } = command;
  const { report, outcome } = runFigures(figures);
  if (json) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  const columns = Math.min(120, Math.max(40, process.stdout.columns ?? 80));
  process.stdout.write(`${plotOf(outcome.moments, figures.config, columns)}\n\n${printable(figures, report)}\n`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\npnpm simulate --help lists the options.\n`);
  process.exitCode = 2;
}
