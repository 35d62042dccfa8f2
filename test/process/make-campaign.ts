/**
 * Goal: whenever power fails while a volume is made, by `make` or by `mount -o create`, nobody is left
 * with something that can neither be mounted nor made.
 * Method: those of disk-campaign.ts and calls-campaign.ts, judged by make-judge.ts.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { during } from '../support/devices/at-end.ts'
import type { Random } from '../support/random.ts'
import { momentsOfCalls } from './calls-campaign.ts'
import { type FolderRecording, type Making, VOLUME, makeFolder } from './calls-recording.ts'
import { type CampaignOptions, momentsOnDisk } from './disk-campaign.ts'
import { CUT_KINDS } from './disk-history.ts'
import type { HostRecording } from './disk-recording.ts'
import { DiskStates } from './disk-states.ts'
import { FOLDER_CUTS, cutFolder } from './folder-cuts.ts'
import { writeFolder } from './folder-files.ts'
import { judgeMade, judgeMadeByBinary } from './make-judge.ts'
import { Recoverer } from './recoverer.ts'
import type { Report } from './report.ts'

const BINARY_EVERY = 7

export function judgeMakingOnDisk(
  how: Making,
  recording: HostRecording,
  random: Random,
  report: Report,
  { stateCount, deadline = Infinity }: CampaignOptions,
): Promise<void> {
  return during(async (lifetime) => {
    const states = await DiskStates.start(lifetime, recording)
    const recoverer = new Recoverer(lifetime)
    const { history } = states
    for (const [index, moment] of momentsOnDisk(recording, random, stateCount).entries()) {
      if (performance.now() > deadline) break
      history.advance(moment)
      const cut = CUT_KINDS[index % CUT_KINDS.length] ?? 'lost'
      const isByBinary = index % BINARY_EVERY === BINARY_EVERY - 1
      const kind = `disk, ${recording.kind}, ${how}, ${cut}${isByBinary ? ', by the program' : ''}`
      const patches = history.cut(cut, random)
      await report.judge(kind, `event ${moment} of ${history.events.length}`, () =>
        states.mounted(patches, () =>
          isByBinary
            ? judgeMadeByBinary(states.volume, history.markCount > 0)
            : judgeMade(recoverer, states.volume, history.markCount > 0),
        ),
      )
    }
  })
}

export function judgeMakingCalls(
  how: Making,
  { events, begin }: FolderRecording,
  random: Random,
  report: Report,
  { stateCount, deadline = Infinity }: CampaignOptions,
): Promise<void> {
  return during(async (lifetime) => {
    const recoverer = new Recoverer(lifetime)
    const host = join(makeFolder(lifetime), 'host')
    const history = begin()
    let position = 0
    for (const [index, moment] of momentsOfCalls(events, random, stateCount).entries()) {
      if (performance.now() > deadline) break
      for (const event of events.slice(position, moment)) history.apply(event)
      position = moment
      const cut = FOLDER_CUTS[index % FOLDER_CUTS.length] ?? 'lost'
      const name = `event ${moment} of ${events.length}`
      await report.judge(`calls, ${how}, ${cut}`, name, async () => {
        writeFolder(host, cutFolder(history, cut, random))
        try {
          await judgeMade(recoverer, join(host, VOLUME), history.markCount > 0)
        } finally {
          rmSync(host, { recursive: true })
        }
      })
    }
  })
}
