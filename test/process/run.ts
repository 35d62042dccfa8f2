/**
 * The campaign of power cuts of the whole process: one workload after the other is recorded, each by
 * every method, and so many of its states judged; every few of them volumes being made as well.
 * Prints what it judged, and ends with 1 if anything was wrong.
 */
import process from 'node:process'
import { Random, testSeed } from '../support/random.ts'
import { judgeCalls } from './calls-campaign.ts'
import { recordMakingCalls, recordWorkloadCalls } from './calls-recording.ts'
import { readCommandLine } from '../support/command-line.ts'
import { type CampaignSettings, USAGE, readSettings } from './command-line.ts'
import { judgeDisk } from './disk-campaign.ts'
import { recordMaking, recordWorkload } from './disk-recording.ts'
import { judgeMakingCalls, judgeMakingOnDisk } from './make-campaign.ts'
import { Report } from './report.ts'

/** States of one recording. Disk states take ten times as long. */
const CALL_STATES = 300
const DISK_STATES = 60
const MAKING_STATES = 40
const ROUND_COUNT_MAX = 150

type Part = (random: Random, report: Report, stateCount: number, deadline: number) => Promise<void>

function partsOf({ methods, hosts }: CampaignSettings): [part: Part, stateCount: number][] {
  const parts: [Part, number][] = []
  for (const how of ['make', 'mount -o create'] as const) {
    if (methods.includes('calls')) {
      const part: Part = async (random, report, stateCount, deadline) => {
        const recording = await recordMakingCalls(how)
        await judgeMakingCalls(how, recording, random, report, { stateCount, deadline })
      }
      parts.push([part, MAKING_STATES])
    }
    for (const host of methods.includes('disk') ? hosts : []) {
      const part: Part = async (random, report, stateCount, deadline) => {
        const recording = await recordMaking(host, how)
        await judgeMakingOnDisk(how, recording, random, report, { stateCount, deadline })
      }
      parts.push([part, MAKING_STATES / 2])
    }
  }
  if (methods.includes('calls')) {
    const part: Part = async (random, report, stateCount, deadline) => {
      const recording = await recordWorkloadCalls(random, 20 + random.int(ROUND_COUNT_MAX))
      await judgeCalls(recording, random, report, { stateCount, deadline })
    }
    parts.push([part, CALL_STATES])
  }
  for (const host of methods.includes('disk') ? hosts : []) {
    const part: Part = async (random, report, stateCount, deadline) => {
      const recording = await recordWorkload(host, random, 20 + random.int(ROUND_COUNT_MAX))
      await judgeDisk(recording, random, report, { stateCount, deadline })
    }
    parts.push([part, DISK_STATES])
  }
  return parts
}

/** Goes through the parts in turn until there are enough states, or the time is over. */
async function run(settings: CampaignSettings): Promise<Report> {
  const report = new Report()
  const random = new Random(settings.seed)
  const deadline = performance.now() + settings.minutes * 60_000
  const parts = partsOf(settings)
  for (let turn = 0; performance.now() < deadline; turn++) {
    const left = settings.stateCount - report.stateCount
    const [part, stateCount] = parts[turn % parts.length] ?? []
    if (left <= 0 || part === undefined || stateCount === undefined) break
    const known = report.violations.length
    await part(random, report, Math.min(left, stateCount), deadline)
    for (const violation of report.violations.slice(known)) {
      process.stdout.write(`violation: ${violation}\n`)
    }
  }
  return report
}

const settings = readCommandLine(USAGE, (parameters) => readSettings(parameters, testSeed()))
process.stdout.write(`seed ${settings.seed}\n`)
const report = await run(settings)
for (const line of report.lines()) process.stdout.write(`${line}\n`)
process.exitCode = report.violations.length === 0 && report.stateCount > 0 ? 0 : 1
