/** Ids made by the store, `<revision>-<n>`: the call that made them and their number within it, so that they rise. */
export function callId(revision: number, index: number): string {
  return `${revision}-${index}`;
}

/** Below 0 when `a` was made before `b`, 0 when they are the same. An id that is none of ours comes before all. */
export function compareCallIds(a: string, b: string): number {
  const [revisionA, indexA] = parts(a);
  const [revisionB, indexB] = parts(b);
  return revisionA === revisionB ? indexA - indexB : revisionA - revisionB;
}

function parts(id: string): [revision: number, index: number] {
  const match = /^(\d+)-(\d+)$/.exec(id);
  return match === null ? [-1, 0] : [Number(match[1]), Number(match[2])];
}
