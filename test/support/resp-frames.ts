/** Cuts a byte stream of Redis' protocol (RESP2 and RESP3) into whole values. */
export class RespFrames {
  #rest: Buffer = Buffer.alloc(0);

  /** The values that are complete with these bytes; what is left waits for more. */
  feed(bytes: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const frames: Buffer[] = [];
    let start = 0;
    for (let end = frameEnd(this.#rest, 0); end > 0; end = frameEnd(this.#rest, start)) {
      frames.push(this.#rest.subarray(start, end));
      start = end;
    }
    this.#rest = this.#rest.subarray(start);
    return frames;
  }
}

/** Where the value that starts here ends; -1 when it is not complete. */
function frameEnd(bytes: Buffer, start: number): number {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd < 0) return -1;
  const next = lineEnd + 2;
  const length = () => Number(bytes.toString('latin1', start + 1, lineEnd));
  switch (String.fromCharCode(bytes[start] ?? 0)) {
    case '$':
    case '!':
    case '=': {
      const end = length() < 0 ? next : next + length() + 2;
      return end <= bytes.length ? end : -1;
    }
    case '*':
    case '~':
    case '>':
      return valuesEnd(bytes, next, length());
    case '%':
      return valuesEnd(bytes, next, 2 * length());
    case '|':
      // Attributes stand before the value they are about.
      return valuesEnd(bytes, next, 2 * length() + 1);
    default:
      return next;
  }
}

function valuesEnd(bytes: Buffer, start: number, count: number): number {
  let end = start;
  for (let i = 0; i < count && end >= 0; i++) end = frameEnd(bytes, end);
  return end;
}
