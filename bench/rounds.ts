/** Measures several sides in turn, A B A B, so that what drifts meanwhile meets all of them. */
import { spawnSync } from 'node:child_process'

const SYNC_TIMEOUT_MS = 120_000

export async function inTurns<Side extends string>(
  roundCount: number,
  folder: string,
  sides: Readonly<Record<Side, () => Promise<number>>>,
): Promise<Record<Side, number[]>> {
  // eslint-disable-next-line typescript/no-unsafe-type-assertion -- the same keys
  const names = Object.keys(sides) as Side[]
  // eslint-disable-next-line typescript/no-unsafe-type-assertion -- the same keys
  const values = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Side,
    number[]
  >
  for (let round = 0; round < roundCount; round++) {
    for (const name of names) {
      syncDisk(folder)
      values[name].push(await sides[name]())
    }
  }
  return values
}

/** Writes back what is dirty on the disk below, so that nobody pays for another's writes. */
function syncDisk(folder: string): void {
  spawnSync('sync', ['-f', folder], { timeout: SYNC_TIMEOUT_MS })
}
