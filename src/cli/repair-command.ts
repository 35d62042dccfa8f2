import { type RepairResult, repairPath } from '../repair/repair-path.ts'
import { reportLines } from './check-report.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { printLines } from './output.ts'
import type { CommandLine } from './parse.ts'
import { realVolume, whenFree } from './when-free.ts'

/** `oatomic check --repair`. */
export async function runRepair({ positionals, flags }: CommandLine): Promise<ExitCode> {
  const dryRun = flags.has('dry-run')
  const volume = realVolume(positionals[0] ?? '')
  const repair = () => repairPath(volume, { dryRun })
  const result = await whenFree({ volume, purpose: 'repair' }, repair)
  const isJson = flags.has('json')
  await printLines(isJson ? [JSON.stringify({ ...result, dryRun })] : resultLines(result, dryRun))
  return exitCode(result)
}

function* resultLines({ mended, gaveUp, check }: RepairResult, dryRun: boolean) {
  for (const line of mended) yield `${dryRun ? 'would mend' : 'mended'}: ${line}`
  for (const line of gaveUp) yield `${dryRun ? 'would give up' : 'gave up'}: ${line}`
  if (check === undefined) return
  if (!check.isClean && !dryRun) yield 'What is left:'
  yield* reportLines(check)
}

function exitCode({ mended, gaveUp, check }: RepairResult): ExitCode {
  if (check?.isClean !== true) return EXIT.damaged
  return mended.length + gaveUp.length > 0 ? EXIT.repaired : EXIT.ok
}
