import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { History, Push, StoreCall } from './history.js';
import { readJournal } from './journal.js';
import type { FlushLine, PushLine, StallLine, StoreLine } from './lines.js';

type Journals = Pick<History, 'pushes' | 'flushes' | 'calls' | 'stalls' | 'errors'>;
type EventLine = StallLine | { readonly kind: 'error'; readonly at: number; readonly error: string };

/** Reads what the processes of a run wrote down. */
export function readJournals(dir: string): Journals {
  const sink = join(dir, 'sink.ndjson');
  const pushLines = ofEach<PushLine>(dir, 'pushes');
  const events = [...ofEach<EventLine>(dir, 'events'), ...pushLines].flatMap(({ who, lines }) =>
    lines.map((line) => ({ who, ...line })),
  );
  return {
    pushes: pushLines.flatMap(({ who, lines }) => pushesOf(who, lines)),
    flushes: existsSync(sink) ? readJournal<FlushLine>(sink) : [],
    calls: ofEach<StoreLine>(dir, 'store').flatMap(({ who, lines }) => callsOf(who, lines)),
    stalls: events.filter((line) => line.kind === 'stall'),
    errors: events.filter((line) => line.kind === 'error'),
  };
}

/** The journals of one kind, each with the process that wrote it. */
function ofEach<Line>(dir: string, kind: string): { readonly who: string; readonly lines: readonly Line[] }[] {
  const name = new RegExp(`^${kind}-(.+)\\.ndjson$`);
  return readdirSync(dir).flatMap((file) => {
    const who = name.exec(file)?.[1];
    return who === undefined ? [] : [{ who, lines: readJournal<Line>(join(dir, file)) }];
  });
}

function pushesOf(who: string, lines: readonly PushLine[]): Push[] {
  const open = new Map<string, Push>();
  const pushes: Push[] = [];
  for (const line of lines) {
    if (line.kind === 'stall') continue;
    const key = `${line.stem}.${line.first}`;
    if (line.kind === 'invoke') {
      const { at, stem, first, count } = line;
      open.set(key, { who, invokedAt: at, stem, first, count });
      continue;
    }
    const push = open.get(key);
    if (push === undefined) continue;
    open.delete(key);
    pushes.push({ ...push, end: line });
  }
  return [...pushes, ...open.values()];
}

function callsOf(who: string, lines: readonly StoreLine[]): StoreCall[] {
  const open = new Map<number, StoreCall>();
  const calls: StoreCall[] = [];
  for (const line of lines) {
    if (line.kind === 'call') {
      open.set(line.n, { who, call: line });
      continue;
    }
    const call = open.get(line.n);
    if (call === undefined) continue;
    open.delete(line.n);
    calls.push({ ...call, end: line });
  }
  return [...calls, ...open.values()];
}
