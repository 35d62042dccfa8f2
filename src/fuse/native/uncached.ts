import type { KernelCache } from '../../fs/operations.ts'

/** The kernel's cache where the kernel has none. */
export const UNCACHED: KernelCache = {
  invalidate: async () => undefined,
  writeBack: async () => undefined,
  collect: async () => undefined,
  endWriteBacks: async () => undefined,
  resize: async () => undefined,
  dropAttributes: () => undefined,
  dropAttributesLater: async () => undefined,
  dropName: async () => undefined,
}
