/** Jobs by the virtual time at which they finish: a binary heap over typed arrays, from which any job can be removed. */
export class FinishHeap {
  readonly #at: Float64Array;
  readonly #job: Int32Array;
  readonly #place: Int32Array;
  #size = 0;

  /** Jobs are numbered 0 to `jobs` − 1. */
  constructor(jobs: number) {
    this.#at = new Float64Array(jobs);
    this.#job = new Int32Array(jobs);
    this.#place = new Int32Array(jobs).fill(-1);
  }

  get size(): number {
    return this.#size;
  }

  /** When the first job finishes; Infinity when there is none. */
  get firstAt(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#at[0] as number);
  }

  get firstJob(): number {
    return this.#job[0] as number;
  }

  has(job: number): boolean {
    return (this.#place[job] as number) >= 0;
  }

  add(job: number, at: number): void {
    this.#rise(this.#size++, job, at);
  }

  remove(job: number): void {
    const hole = this.#place[job] as number;
    this.#place[job] = -1;
    const last = --this.#size;
    if (hole === last) return;
    const movedJob = this.#job[last] as number;
    const movedAt = this.#at[last] as number;
    if (movedAt < (this.#at[hole] as number)) this.#rise(hole, movedJob, movedAt);
    else this.#sink(hole, movedJob, movedAt);
  }

  #rise(from: number, job: number, at: number): void {
    let i = from;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const parentAt = this.#at[parent] as number;
      if (parentAt <= at) break;
      this.#put(i, this.#job[parent] as number, parentAt);
      i = parent;
    }
    this.#put(i, job, at);
  }

  #sink(from: number, job: number, at: number): void {
    let i = from;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && (this.#at[child + 1] as number) < (this.#at[child] as number)) child++;
      const childAt = this.#at[child] as number;
      if (childAt >= at) break;
      this.#put(i, this.#job[child] as number, childAt);
      i = child;
    }
    this.#put(i, job, at);
  }

  #put(place: number, job: number, at: number): void {
    this.#at[place] = at;
    this.#job[place] = job;
    this.#place[job] = place;
  }
}
