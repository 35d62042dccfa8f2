/** A filesystem on a recording device, and the oracle that watches over it. */
import assert from 'node:assert/strict'
import type { Filesystem } from '../../src/fs/filesystem.ts'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import type { Engine } from '../../src/txn/engine.ts'
import { DiskState } from '../support/devices/disk-state.ts'
import { RecordingDevice, type RecordingOptions } from '../support/devices/recording-device.ts'
import { type FakeProcesses, makeTestVolume, openTestFilesystem } from '../support/volume.ts'
import { type State, cloneState, differences, emptyState, changeNode } from './model.ts'
import { observe } from './observe.ts'
import { Oracle } from './oracle.ts'

export interface Session {
  readonly device: RecordingDevice
  readonly fs: Filesystem
  readonly engine: Engine
  readonly processes: FakeProcesses
  readonly oracle: Oracle
  /** Open handles, by path as they were opened. */
  readonly handles: Map<string, { readonly fh: number; readonly ino: number }>
  /** Content that is written and not published, by inode. */
  readonly staged: Map<number, Buffer>
  /** Open transactions, by inode. */
  readonly transactions: Map<number, OpenTransaction>
  /** Handles whose transaction somebody else has rolled back, and that have not been told. */
  readonly canceled: Set<string>
  /** Events of the log when the volume was open. */
  readonly openedAt: number
}

export interface OpenTransaction {
  /** The handle that has begun it, by name, and the process that has begun its last part. */
  readonly owner: string
  pid: number
  /** What was staged at each START. */
  readonly savepoints: (Buffer | undefined)[]
}

export interface SessionOptions extends RecordingOptions {
  readonly ringBlocks?: number
}

/** A new volume, open. */
export async function newSession(options: SessionOptions = {}): Promise<Session> {
  const maker = new MemoryDevice(emptyImage(options.ringBlocks ?? 256))
  await makeTestVolume(maker)
  return openSession(DiskState.of(maker.image()), emptyState(), options)
}

/** Opens what a crash has left; `start` is what must be found there, if that is known. */
export async function openSession(
  disk: DiskState,
  start: State | undefined,
  options: SessionOptions = {},
): Promise<Session> {
  const device = new RecordingDevice(disk, options)
  const { fs, volume, processes } = await openTestFilesystem(device)
  const oracle = new Oracle(start ?? (await observe(fs)), () => device.log.events.length)
  return {
    device,
    fs,
    engine: volume.engine,
    processes,
    oracle,
    handles: new Map(),
    staged: new Map(),
    transactions: new Map(),
    canceled: new Set(),
    openedAt: device.log.events.length,
  }
}

/** The workload itself did what the model says; a test whose model is wrong proves nothing. */
export async function assertLive({ fs, oracle, staged }: Session): Promise<void> {
  const expected = cloneState(oracle.live)
  for (const [ino, content] of staged) changeNode(expected, ino, { content })
  assert.deepEqual(differences(expected, await observe(fs)), [])
}
