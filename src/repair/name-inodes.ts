/** Puts paths behind the inodes that a report speaks of, as they will be. */
import { type Ino, ROOT_INO } from '../store/inode.ts'
import { showName } from '../show-name.ts'
import type { RepairPlan } from './plan.ts'

const DEPTH_MAX = 4096

export function nameInodes(plan: RepairPlan): void {
  const names = new Map<Ino, { readonly parent: Ino; readonly name: string }>()
  for (const [parent, entries] of plan.entries) {
    for (const [name, { ino }] of entries) names.set(ino, { parent, name })
  }
  const pathOf = (ino: Ino): string | undefined => {
    let path = ''
    let at = ino
    for (let depth = 0; at !== ROOT_INO && depth < DEPTH_MAX; depth++) {
      const entry = names.get(at)
      if (entry === undefined) return undefined
      path = `/${showName(entry.name)}${path}`
      at = entry.parent
    }
    return path === '' ? '/' : path
  }
  const withPath = (line: string): string =>
    line.replace(/^inode (\d+)/, (subject: string, digits: string) => {
      const path = pathOf(Number(digits))
      return path === undefined ? subject : `${subject} (${path})`
    })
  plan.report.mended = plan.report.mended.map(withPath)
  plan.report.gaveUp = plan.report.gaveUp.map(withPath)
}
