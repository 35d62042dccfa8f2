/** Brings recorded disks into the states that power cuts leave, one after the other. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Lifetime, atEnd } from '../support/devices/at-end.ts'
import type { Patch } from '../support/loop-disk/disk-content.ts'
import type { DiskEvent } from '../support/loop-disk/disk-log.ts'
import { makeHostFolder, mountHost, unmountHost } from '../support/loop-disk/host-filesystem.ts'
import { LoopDisk } from '../support/loop-disk/loop-disk.ts'
import { DiskHistory } from './disk-history.ts'
import { DISK_BYTES, type HostRecording, VOLUME } from './disk-recording.ts'

export class DiskStates {
  readonly history: DiskHistory
  readonly #recording: HostRecording
  readonly #disk: LoopDisk
  readonly #folder: string

  private constructor(
    history: DiskHistory,
    recording: HostRecording,
    disk: LoopDisk,
    folder: string,
  ) {
    this.history = history
    this.#recording = recording
    this.#disk = disk
    this.#folder = folder
  }

  static async start(lifetime: Lifetime, recording: HostRecording): Promise<DiskStates> {
    const image = emptyFile(lifetime)
    const disk = await LoopDisk.ofImage(lifetime, image, DISK_BYTES[recording.kind])
    const folder = await makeHostFolder(lifetime)
    return new DiskStates(new DiskHistory(recording.events, image), recording, disk, folder)
  }

  /** The volume's folder while a state is mounted. */
  get volume(): string {
    return join(this.#folder, VOLUME)
  }

  /** Lets the filesystem of a state replay its journal, and does some work on it. */
  async mounted(patches: readonly Patch[], work: () => Promise<void>): Promise<void> {
    await this.#disk.reset(patches, true)
    await mountHost(this.#recording.kind, this.#disk.device, this.#folder)
    try {
      await work()
    } finally {
      await unmountHost(this.#folder)
    }
  }

  /** What has reached the disk since the last state was begun. */
  written(): DiskEvent[] {
    return this.#disk.record()
  }
}

function emptyFile(lifetime: Lifetime): string {
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-image-'))
  atEnd(lifetime, () => {
    rmSync(folder, { recursive: true })
  })
  const path = join(folder, 'image')
  writeFileSync(path, '')
  return path
}
