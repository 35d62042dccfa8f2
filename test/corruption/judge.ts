/**
 * Damages a copy of a volume in one way, and requires of it:
 *
 *   a. no reader ever gets bytes that nobody has written;
 *   b. whatever a reader does not get as it should is found by the check, with path and offset where
 *      it is a file's content;
 *   c. opening refuses with an FsError, or opens;
 *   d. after a repair the check is clean, or it names what is left, and every file that could be read
 *      before still can.
 *
 * One thing cannot be seen: that the last records of the ring were damaged, and not torn by a crash
 * before anybody was told that they are durable. Then files are as some commits before.
 */
import assert from 'node:assert/strict'
import { cpSync, rmSync } from 'node:fs'
import { checkPath } from '../../src/check/check-path.ts'
import type { CheckReport } from '../../src/check/check-volume.ts'
import { FsError } from '../../src/errors.ts'
import { repairPath } from '../../src/repair/repair-path.ts'
import { Random } from '../support/random.ts'
import { DAMAGES, type DamageKind, type DamagePlace } from './damages.ts'
import { type SeenFiles, lookAt } from './open.ts'
import type { StateFacts } from './facts.ts'
import { type StateName, type World, folderOf } from './world.ts'

export interface Case {
  readonly state: StateName
  readonly kind: DamageKind
  readonly seed: number
}

/** How a case has ended, for the statistics. */
export interface Verdict {
  readonly found: boolean
  readonly refused: boolean
  readonly unharmed: boolean
  readonly unseen: boolean
  readonly repaired: 'clean' | 'left' | 'refused'
}

export async function judge(
  world: World,
  facts: StateFacts,
  { state, kind, seed }: Case,
  scratch: string,
): Promise<Verdict> {
  rmSync(scratch, { recursive: true, force: true })
  cpSync(folderOf(world, state), scratch, { recursive: true })
  const history = world.histories[state]
  const place = DAMAGES[kind]({ world, volume: scratch, random: new Random(seed), ...facts })
  const context = `${state}, ${kind}: ${place.what}`
  const check = await tryCheck(scratch)
  const { seen, refused } = await lookAt(scratch, history)
  requireNoneWrong(seen, context)
  const harmed = [...seen].filter(([, how]) => how !== 'right')
  const unseen = check?.isClean === true && harmed.length > 0
  if (unseen) {
    const only = harmed.every(([, how]) => how === 'older' || how === 'missing')
    const isTail = state === 'killed' && kind.startsWith('ring')
    assert.ok(isTail && only, `${context}: not found, but ${JSON.stringify(harmed)}`)
  }
  requireOffsets(check, facts, place, context)
  const repaired = await judgeRepair(scratch, history, { seen, unseen }, context)
  const found = check?.isClean !== true
  return { found, refused: refused !== undefined, unharmed: harmed.length === 0, unseen, repaired }
}

async function tryCheck(path: string): Promise<CheckReport | undefined> {
  try {
    return await checkPath(path, { data: true })
  } catch (error) {
    if (error instanceof FsError) return undefined
    throw error
  }
}

function requireNoneWrong(seen: SeenFiles, context: string): void {
  const wrong = [...seen].filter(([, how]) => how === 'WRONG').map(([path]) => path)
  assert.deepEqual(wrong, [], `${context}: bytes that nobody has written`)
}

function requireOffsets(
  check: CheckReport | undefined,
  { owners }: StateFacts,
  { blocks }: DamagePlace,
  context: string,
): void {
  for (const block of blocks) {
    const owner = owners.get(block)
    if (owner === undefined) continue
    const text = `(${owner.path}): offset ${owner.offset}: block ${block} `
    const lines = check?.findings.map(({ message }) => message) ?? []
    assert.ok(
      lines.some((line) => line.includes(text)),
      `${context}: no finding has "${text}": ${lines.join('; ')}`,
    )
  }
}

async function judgeRepair(
  path: string,
  history: Parameters<typeof lookAt>[1],
  { seen: before, unseen }: { readonly seen: SeenFiles; readonly unseen: boolean },
  context: string,
): Promise<Verdict['repaired']> {
  let result
  try {
    result = await repairPath(path, { dryRun: false })
  } catch (error) {
    if (error instanceof FsError) return 'refused'
    throw error
  }
  const { seen, refused } = await lookAt(path, history)
  const shown = JSON.stringify(result).slice(0, 3000)
  requireNoneWrong(seen, `${context}, after the repair: ${shown}`)
  assert.equal(refused, undefined, `${context}, after the repair: ${shown}`)
  for (const [name, how] of before) {
    if (how === 'right') assert.equal(seen.get(name), 'right', `${context}, ${name}: ${shown}`)
  }
  const harmed = [...seen].filter(([, how]) => how !== 'right')
  const isTold = result.gaveUp.length > 0 || result.check?.isClean !== true
  assert.ok(harmed.length === 0 || isTold || unseen, `${context}, after: ${shown}`)
  if (result.check?.isClean === true) return 'clean'
  const left = result.check?.findings.filter(({ invariant }) => invariant !== 'F25') ?? []
  assert.ok(left.length === 0 || result.gaveUp.length > 0, `${context}: ${shown}`)
  // A second repair finds nothing more to do.
  const again = await repairPath(path, { dryRun: true })
  assert.deepEqual(again.mended, [], `${context}, again: ${shown}`)
  return 'left'
}
