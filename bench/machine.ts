/** What machine the numbers are from. */
import { spawnSync } from 'node:child_process'
import { arch, availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly coreCount: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly filesystem: string
  readonly node: string
  /** Average over the minute before the run. */
  readonly load: number
}

export function describeMachine(folder: string): Machine {
  const { stdout } = spawnSync('df', ['--output=fstype,source', '--', folder], { encoding: 'utf8' })
  const [type = 'unknown', source = ''] = (stdout.trim().split('\n')[1] ?? '').split(/\s+/)
  return {
    cpu: `${cpus()[0]?.model ?? 'unknown'} (${arch()})`,
    coreCount: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    filesystem: `${type} on ${source}`,
    node: process.version,
    load: loadavg()[0] ?? 0,
  }
}

export function showMachine(machine: Machine): string {
  return [
    machine.cpu,
    `${machine.coreCount} cores`,
    `${machine.memoryGiB} GiB`,
    `Linux ${machine.kernel}`,
    `${machine.filesystem} below`,
    `Node.js ${machine.node}`,
    `load before the run ${machine.load.toFixed(1)}`,
  ].join(' · ')
}
