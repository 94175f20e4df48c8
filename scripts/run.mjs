// `npm start` and `npm test` on a fresh clone: gets pnpm, installs, builds, then runs. No dependencies.
// The preparation says one line per step on stderr, so stdout belongs to what runs.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const [task, ...args] = process.argv.slice(2);
// Run by Node itself, with nothing in between that could keep a signal for itself.
const commands = {
  start: [process.execPath, 'examples/flights/dist/main.js', ...args],
  test: [process.execPath, 'test/node_modules/vitest/vitest.mjs', 'run', '--config=test/vitest.config.ts', ...args],
};
if (!Object.hasOwn(commands, task)) fail(`unknown task: ${task}; known: ${Object.keys(commands).join(', ')}`);

const wanted = manifest.engines.node.match(/\d+(\.\d+)*/)[0];
if (older(process.versions.node, wanted)) fail(`Node ${wanted} or newer is needed; this is ${process.version}.`);

const env = {
  ...process.env,
  PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
  COREPACK_ENABLE_DOWNLOAD_PROMPT: '0',
  TURBO_TELEMETRY_DISABLED: '1',
};

let running; // the child of the moment
let interrupted; // the first signal that came
const hasTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  // We end when the child has ended, with its code. A terminal sends Ctrl-C to the child as well, so that is not repeated.
  process.on(signal, () => {
    if (signal === 'SIGINT' && hasTerminal) interrupted ??= signal;
    else interrupt(signal);
  });
}
// npm runs us through a shell, which dies of a signal without passing it on: then our parent is another process.
const parent = process.ppid;
const orphanWatch = setInterval(() => {
  if (process.ppid === parent) return;
  clearInterval(orphanWatch);
  interrupt('SIGTERM');
}, 500).unref();

usePnpm();
await prepare('installing', ['pnpm', 'install', '--frozen-lockfile', '--reporter=append-only', '--loglevel=warn']);
await prepare('building', [
  'pnpm',
  'exec',
  'turbo',
  'run',
  'build',
  '--output-logs=errors-only',
  '--log-order=grouped',
]);
process.exitCode = await exec(commands[task], 'inherit');

function interrupt(signal) {
  interrupted ??= signal;
  running?.kill(signal);
}

/** Keeps the pnpm on PATH when it works here, else puts the pinned one in front, through npx. */
function usePnpm() {
  const probe = spawnSync('pnpm', ['--version'], { cwd: root, env, encoding: 'utf8', timeout: 60_000 });
  if (probe.status === 0 && Number.parseInt(probe.stdout.trim().split('\n').pop(), 10) >= 10) return;
  const spec = manifest.packageManager.split('+')[0];
  progress(`getting ${spec}`);
  const printPath = 'console.log(process.env.PATH ?? process.env.Path)';
  const found = spawnSync('npx', ['--yes', '--loglevel=error', `--package=${spec}`, '--', 'node', '-e', printPath], {
    cwd: tmpdir(),
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (found.status !== 0) fail(`Could not get ${spec} through npx.`);
  env.PATH = found.stdout.trim().split('\n').pop();
}

/** Runs one step in silence; its output is shown when it fails. */
async function prepare(doing, command) {
  progress(doing);
  const output = [];
  const code = await exec(command, 'pipe', output);
  if (interrupted) process.exit(signalCode(interrupted));
  if (code === 0) return;
  process.stderr.write(Buffer.concat(output));
  fail(`${doing} failed: ${command.join(' ')}`, code);
}

/** Resolves with the exit code; a child that a signal ended has 128 and the signal's number, as in a shell. */
function exec([command, ...argv], output, chunks = []) {
  return new Promise((resolve) => {
    running = spawn(command, argv, {
      cwd: root,
      // Without a terminal pnpm must not ask; with one, the demo keeps its colours.
      env: output === 'inherit' ? env : { ...env, CI: env.CI ?? '1' },
      stdio: output === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    running.stdout?.on('data', (chunk) => chunks.push(chunk));
    running.stderr?.on('data', (chunk) => chunks.push(chunk));
    running.once('error', (error) => fail(error.message));
    running.once('close', (code, signal) => {
      running = undefined;
      resolve(code ?? signalCode(signal));
    });
  });
}

function signalCode(signal) {
  return 128 + constants.signals[signal];
}

function older(a, b) {
  const [x, y] = [a, b].map((v) => v.split('.').map(Number));
  for (let i = 0; i < 3; i++) if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) < (y[i] ?? 0);
  return false;
}

function progress(doing) {
  process.stderr.write(`${doing} ...\n`);
}

function fail(message, code = 1) {
  console.error(message);
  // Whoever reads the last line learns of a run that never came to its tests.
  if (task === 'test') console.log('0 passed, 1 failed');
  process.exit(code);
}
