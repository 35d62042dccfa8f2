/**
 * Works on a volume in a process of its own, so that nothing of one round is left for the next:
 *
 *   node volume-process.js make <volume> <extents>
 *   node volume-process.js open <volume>                      answers with the milliseconds
 *   node volume-process.js grow <volume> <dimension> <size>   makes one of that size
 *   node volume-process.js use <volume> <dimension> <size>    answers with a Use
 *   node volume-process.js check <volume>                     answers with a Check
 */
import process from 'node:process'
import { DIMENSIONS, type DimensionName } from './curves/dimensions.ts'
import { measureCheck, measureUse } from './curves/measure.ts'
import { makeFragmentedVolume, timeOpen } from './fragmented-volume.ts'

const [, , verb = '', path = '', which = '0', size = '0'] = process.argv

process.on('disconnect', () => process.exit(1))
process.send?.(await answer())

async function answer(): Promise<unknown> {
  // eslint-disable-next-line typescript/no-unsafe-type-assertion -- only read where it is one
  const dimension = DIMENSIONS[which as DimensionName]
  switch (verb) {
    case 'make':
      await makeFragmentedVolume(path, Number(which))
      return 0
    case 'open':
      return timeOpen(path)
    case 'grow':
      await dimension.make(path, Number(size))
      return 0
    case 'use':
      return measureUse(path, dimension.targetOf(Number(size)))
    case 'check':
      return measureCheck(path)
    default:
      throw new Error(`"${verb}" is not known`)
  }
}
