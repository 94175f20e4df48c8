import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The top of the repository, wherever this file was compiled to. */
export const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Imports a module by its path in the repository. What is compiled into another depth can't name it relatively. */
export function importFromRoot(path: string): Promise<unknown> {
  return import(pathToFileURL(join(ROOT, path)).href);
}

function findRoot(from: string): string {
  if (existsSync(join(from, 'pnpm-workspace.yaml'))) return from;
  const up = dirname(from);
  if (up === from) throw new Error('This file is not in the repository.');
  return findRoot(up);
}
