/** What a recorded device was asked to do, in order. */
import type { BlockNo, IndexOp } from '../../../src/device/device.ts'
import type { DiskState } from './disk-state.ts'

export type Part = 'ring' | 'blocks' | 'superblock'

/** A call that is under way between its start and its end. */
export type AsyncCall =
  | {
      readonly type: 'durable' | 'direct'
      readonly part: Part
      readonly block: BlockNo
      readonly data: Uint8Array
    }
  | { readonly type: 'flush'; readonly part: Part }
  | { readonly type: 'batch'; readonly operations: readonly IndexOp[] }

export type DeviceEvent =
  | {
      readonly type: 'write'
      readonly part: Part
      readonly block: BlockNo
      readonly data: Uint8Array
    }
  | { readonly type: 'start'; readonly call: AsyncCall }
  /** `start` is the sequence number of the event that began it. */
  | { readonly type: 'end'; readonly start: number; readonly call: AsyncCall }
  | { readonly type: 'grow'; readonly blockCount: number }

/** A run of a device; an event's sequence number is its place in `events`. */
export interface DeviceLog {
  readonly start: DiskState
  readonly events: readonly DeviceEvent[]
}

/** One event in a few words, for the message of a failed test. */
export function describeEvent(event: DeviceEvent): string {
  if (event.type === 'grow') return `grow to ${event.blockCount}`
  if (event.type === 'write') return `write ${event.part} ${event.block}`
  const { call } = event
  const where = call.type === 'batch' ? '' : ` ${call.part}`
  const block = 'block' in call ? ` ${call.block}` : ''
  return `${event.type} ${call.type}${where}${block}`
}
