/** Slices of the campaigns on recorded disks: see disk-campaign.ts and make-campaign.ts. */
import { judgeDisk } from './disk-campaign.ts'
import { recordDatabase, recordMaking, recordWorkload } from './disk-recording.ts'
import { judgeMakingOnDisk } from './make-campaign.ts'
import { slice } from './slice.ts'

for (const [kind, stateCount] of [
  ['ext4', 16],
  ['xfs', 5],
] as const) {
  slice(`a volume on ${kind} is recovered after any power cut`, async (random, report) => {
    const recording = await recordWorkload(kind, random, 40)
    await judgeDisk(recording, random, report, { stateCount })
  })
}

slice(
  'SQLite without a journal has whole transactions after any power cut',
  async (random, report) => {
    const recording = await recordDatabase('ext4', 12)
    await judgeDisk(recording, random, report, { stateCount: 10 })
  },
)

slice('make leaves what can be mounted or made on ext4', async (random, report) => {
  const recording = await recordMaking('ext4', 'make')
  await judgeMakingOnDisk('make', recording, random, report, { stateCount: 8 })
})
