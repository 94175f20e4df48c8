// tsc never deletes what a removed source left in dist, and dist is what gets published.
import { rmSync } from 'node:fs';

for (const path of process.argv.slice(2)) rmSync(path, { recursive: true, force: true });
