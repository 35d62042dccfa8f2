/** A filesystem on a recording device whose calls fail on demand, with the oracle of the crash tests. */
import assert from 'node:assert/strict'
import { CallsUnderWay } from '../../../src/device/calls-under-way.ts'
import type { OpenedVolume } from '../../../src/volume/open.ts'
import { codeOf } from '../../crash/expect.ts'
import type { State } from '../../crash/model.ts'
import { Oracle } from '../../crash/oracle.ts'
import type { Session } from '../../crash/session.ts'
import type { DiskState } from '../../support/devices/disk-state.ts'
import { FaultyDevice } from '../../support/devices/faulty-device.ts'
import { RecordingDevice } from '../../support/devices/recording-device.ts'
import { openTestFilesystem } from '../../support/volume.ts'

const TIMEOUT_SECONDS = 120

/** A device on `disk`. When a call of it hangs, time passes until it is given up. */
export function faultyDisk(disk: DiskState): {
  readonly device: RecordingDevice
  readonly faulty: FaultyDevice
  readonly calls: CallsUnderWay
} {
  const device = new RecordingDevice(disk)
  const faulty = new FaultyDevice(device)
  const calls = new CallsUnderWay({ timeoutSeconds: TIMEOUT_SECONDS })
  faulty.onHang = () => {
    // What the disk does answer, it has answered long before.
    setTimeout(() => {
      for (let second = 0; second < TIMEOUT_SECONDS; second++) calls.tick()
    }, 1)
  }
  return { device, faulty, calls }
}

export interface FaultSession extends Session {
  readonly faulty: FaultyDevice
  readonly volume: OpenedVolume
  /** Steps that have failed, with their errno. */
  readonly errors: { readonly step: string; readonly code: string }[]
  /** The volume has failed, or nobody knows what the last step has left: no more steps. */
  isOver: boolean
}

/** Opens what must be in the state `start`. */
export async function openFaultSession(disk: DiskState, start: State): Promise<FaultSession> {
  const { device, faulty, calls } = faultyDisk(disk)
  const { fs, volume, processes } = await openTestFilesystem(faulty, { calls })
  return {
    device,
    faulty,
    fs,
    volume,
    processes,
    engine: volume.engine,
    oracle: new Oracle(start, () => device.log.events.length),
    handles: new Map(),
    staged: new Map(),
    transactions: new Map(),
    canceled: new Set(),
    openedAt: device.log.events.length,
    errors: [],
    isOver: false,
  }
}

/**
 * One step of a workload. An error after which the volume has not failed is that of a call which has
 * changed nothing, and which succeeds when it is made again.
 */
export async function attempt(
  session: FaultSession,
  step: string,
  run: () => Promise<unknown>,
): Promise<void> {
  const { oracle, errors, engine } = session
  if (session.isOver) return
  const { stepCount } = oracle
  try {
    await run()
  } catch (error) {
    assert.ok(
      session.faulty.hasFailed,
      `${step}: only a fault is a reason to fail: ${String(error)}`,
    )
    errors.push({ step, code: codeOf(error) })
    session.isOver = engine.health.failed
    if (session.isOver) return
    while (oracle.stepCount > stepCount) oracle.retract()
    await run()
  }
}

/** The same for a step of which a part may have happened: an error is its end. */
export async function attemptOnce(
  session: FaultSession,
  step: string,
  run: () => Promise<unknown>,
): Promise<void> {
  if (session.isOver) return
  try {
    await run()
  } catch (error) {
    assert.ok(
      session.faulty.hasFailed,
      `${step}: only a fault is a reason to fail: ${String(error)}`,
    )
    session.errors.push({ step, code: codeOf(error) })
    session.isOver = true
  }
}
