/** Whether what a crash has left is something that it may leave. */
import type { Mode, OnClose } from './steps.ts'
import type { Model } from './model.ts'

/** One file as it is found. */
export interface FoundFile {
  readonly content: Buffer
  readonly mode: Mode
  readonly onClose: OnClose
  readonly group: string | undefined
}

/** The moment that was left, not one before `first`; or what is wrong. */
export function judgeCrash(
  model: Model,
  found: readonly FoundFile[],
  first: number,
): { readonly moment: number } | { readonly wrong: string } {
  const wrong: string[] = []
  for (let moment = model.latest; moment >= first; moment--) {
    const faults = found.flatMap((file, i) => faultsAt(model, moment, i, file))
    if (faults.length === 0) return { moment }
    if (wrong.length < 3) wrong.push(`  not what was published ${moment}th: ${faults.join(', ')}`)
  }
  return { wrong: `${wrong.join('\n')}\n  (from ${first} on)` }
}

function faultsAt(model: Model, moment: number, i: number, found: FoundFile): string[] {
  const then = model.moments[moment]?.[i]
  if (then === undefined) return ['a file that was not there']
  const faults: string[] = []
  for (const key of ['mode', 'onClose', 'group'] as const) {
    if (found[key] !== then[key])
      faults.push(`${key} of file ${i} is ${found[key]}, not ${then[key]}`)
  }
  if (found.content.equals(then.content)) return faults
  const loose = then.mode === 'ordinary' ? (model.files[i]?.loose ?? []) : []
  if (!loose.some((content) => found.content.equals(content))) {
    faults.push(`file ${i} ${difference(found.content, then.content)}`)
  }
  return faults
}

export function difference(found: Buffer, expected: Buffer): string {
  const at = found.findIndex((byte, i) => byte !== expected[i])
  const sizes = `has ${found.length} bytes, not ${expected.length}`
  return at < 0 ? sizes : `${sizes}, and differs from ${at} on`
}
