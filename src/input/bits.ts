/** Bits: a set of small numbers as the kernel keeps and shows it, a bit for each. */

export class Bits {
  /** Whole 64-bit words, little-endian. */
  readonly bytes: Uint8Array;

  /** `count`: how many numbers there can be. */
  constructor(count: number, members: Iterable<number> = []) {
    this.bytes = new Uint8Array(Math.ceil(count / 64) * 8);
    for (const each of members) this.set(each, true);
  }

  has(bit: number): boolean {
    return bit >= 0 && ((this.bytes[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }

  set(bit: number, on: boolean): void {
    const at = bit >>> 3;
    if (on) this.bytes[at]! |= 1 << (bit & 7);
    else this.bytes[at]! &= ~(1 << (bit & 7));
  }

  /** Its members, the least first. */
  *[Symbol.iterator](): Generator<number> {
    for (let bit = 0; bit < this.bytes.length * 8; bit++) if (this.has(bit)) yield bit;
  }

  get empty(): boolean {
    return this.bytes.every((byte) => byte === 0);
  }
}
