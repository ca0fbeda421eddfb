/**
 * Bytes that grow: numbers and texts as WebAssembly's binary format has them.
 *
 * Their memory is lent: `free` gives it to the next, since a unit's code is a hundred kilobytes that would grow anew, copy by
 * copy, each time.
 */

const FIRST = 4096;
/** Memory kept for others, the last given back first; more of it is left to the collector, and so is what is very large. */
const spare: Uint8Array<ArrayBuffer>[] = [];
const MOST_SPARE = 8;
const LARGEST_SPARE = 1 << 22;

export class Bytes {
  data = spare.pop() ?? new Uint8Array(FIRST);
  length = 0;

  /** They are not used again. */
  free(): void {
    if (spare.length < MOST_SPARE && this.data.length <= LARGEST_SPARE) spare.push(this.data);
    this.data = new Uint8Array(0);
    this.length = 0;
  }

  byte(value: number): void {
    if (this.length === this.data.length) this.#grow(this.length + 1);
    this.data[this.length++] = value;
  }

  append(other: Bytes, from = 0, to = other.length): void {
    this.#grow(this.length + to - from);
    this.data.set(other.data.subarray(from, to), this.length);
    this.length += to - from;
  }

  /** An instruction's code, and a number that is not negative: nearly all of a function is of such pairs. */
  pair(code: number, value: number): void {
    const at = this.length;
    if (value > 127 || at + 2 > this.data.length) {
      this.byte(code);
      this.unsigned(value);
      return;
    }
    this.data[at] = code;
    this.data[at + 1] = value;
    this.length = at + 2;
  }

  /** A code of one byte, or a prefix and a code of any length: 0xfd105 is 0xfd, 0x105. */
  code(code: number): void {
    if (code <= 0xff) this.byte(code);
    else if (code <= 0xffff) this.pair(code >>> 8, code & 0xff);
    else this.pair(code >>> 12, code & 0xfff);
  }

  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest > 127) {
      this.byte((rest & 127) | 128);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  signed(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 127;
      rest >>= 7;
      if ((rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 128);
    }
  }

  signed64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    for (;;) {
      const low = Number(rest & 127n);
      rest >>= 7n;
      if ((rest === 0n && (low & 64) === 0) || (rest === -1n && (low & 64) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 128);
    }
  }

  /** A name, of ASCII. */
  text(value: string): void {
    this.unsigned(value.length);
    for (let n = 0; n < value.length; n++) this.byte(value.charCodeAt(n));
  }

  #grow(need: number): void {
    if (need <= this.data.length) return;
    const wider = new Uint8Array(Math.max(need, this.data.length * 2));
    wider.set(this.data);
    this.data = wider;
  }
}
