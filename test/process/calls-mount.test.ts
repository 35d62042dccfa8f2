/** Slices of the campaigns on recorded calls: see calls-campaign.ts and make-campaign.ts. */
import { judgeCalls } from './calls-campaign.ts'
import { recordMakingCalls, recordWorkloadCalls } from './calls-recording.ts'
import { judgeMakingCalls } from './make-campaign.ts'
import { slice } from './slice.ts'

slice('a volume is recovered from any state of its files', async (random, report) => {
  const recording = await recordWorkloadCalls(random, 40)
  await judgeCalls(recording, random, report, { stateCount: 160 })
})

for (const how of ['make', 'mount -o create'] as const) {
  slice(`${how} leaves files that can be mounted or made`, async (random, report) => {
    const recording = await recordMakingCalls(how)
    await judgeMakingCalls(how, recording, random, report, { stateCount: 24 })
  })
}
