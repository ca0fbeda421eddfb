/** The part of the WebAssembly JavaScript interface that the machine uses (W3C WebAssembly JavaScript Interface). */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    readonly buffer: ArrayBuffer | SharedArrayBuffer;
  }
}
