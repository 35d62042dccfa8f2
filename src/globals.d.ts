/** The one part of WebAssembly that is used: memory that starts on a page. */
declare namespace WebAssembly {
  class Memory {
    constructor(limits: { initial: number; maximum?: number })
    readonly buffer: ArrayBuffer
  }
}
