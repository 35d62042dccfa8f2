/**
 * Goal: whatever a power cut leaves of the daemon's files, on any filesystem that keeps the promises
 * of folder-history.ts, the volume is recovered with every acknowledged commit, every atomic file
 * whole, and nothing wrong with it. After the death of the daemon all that was answered is there.
 * Method: the files of each state are written to an ordinary folder; there the volume is recovered
 * and read by its code in another process, compared with the oracle and checked.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { during } from '../support/devices/at-end.ts'
import type { Random } from '../support/random.ts'
import { type CallsRecording, VOLUME, makeFolder } from './calls-recording.ts'
import { assertAllowed } from './compare.ts'
import type { CampaignOptions } from './disk-campaign.ts'
import type { Change, FileEvent, FileId } from './file-calls.ts'
import { FOLDER_CUTS, type FolderCut, cutFolder } from './folder-cuts.ts'
import { writeFolder } from './folder-files.ts'
import type { FolderHistory } from './folder-history.ts'
import { Recoverer, stateOf } from './recoverer.ts'
import type { Report } from './report.ts'

export function judgeCalls(
  { events, begin, oracle }: CallsRecording,
  random: Random,
  report: Report,
  { stateCount, deadline = Infinity }: CampaignOptions,
): Promise<void> {
  return during(async (lifetime) => {
    const recoverer = new Recoverer(lifetime)
    const folder = makeFolder(lifetime)
    const history = begin()
    let position = 0
    for (const [index, moment] of momentsOfCalls(events, random, stateCount).entries()) {
      if (performance.now() > deadline) break
      for (; position < moment; position++) {
        const event = events[position]
        if (event !== undefined) history.apply(event)
      }
      const cut = FOLDER_CUTS[index % FOLDER_CUTS.length] ?? 'lost'
      await report.judge(`calls, ${cut}`, `event ${moment} of ${events.length}`, async () => {
        const host = join(folder, 'host')
        writeFolder(host, cutFolder(history, cut, random))
        try {
          const state = stateOf(await recoverer.recover(join(host, VOLUME)))
          assertAllowed(state, oracle.allowed(crashOf(history, cut)))
        } finally {
          rmSync(host, { recursive: true })
        }
      })
    }
  })
}

function crashOf({ markCount }: FolderHistory, cut: FolderCut) {
  return { eventCount: markCount, isKill: cut === 'killed' }
}

/** Moments in order: half of them anywhere, half behind an event of any file, the rare ones too. */
export function momentsOfCalls(
  events: readonly FileEvent[],
  random: Random,
  count: number,
): number[] {
  const byFile = new Map<FileId, number[]>()
  for (const [index, event] of events.entries()) {
    if (event.type === 'mark') continue
    for (const file of filesOf(event.change)) {
      const indexes = byFile.get(file)
      if (indexes === undefined) byFile.set(file, [index + 1])
      else indexes.push(index + 1)
    }
  }
  const files = [...byFile.values()]
  const moments = Array.from({ length: count }, (_, i) =>
    i % 2 === 0 ? random.int(events.length + 1) : random.pick(random.pick(files)),
  )
  return moments.toSorted((a, b) => a - b)
}

function filesOf(change: Change): readonly FileId[] {
  if (change.type !== 'names') return [change.file]
  return [...change.names.values()].filter((file) => file !== undefined)
}
