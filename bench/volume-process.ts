/**
 * Works on a volume in a process of its own, so that nothing of one round is left for the next:
 *
 *   node volume-process.js make <volume> <extents>
 *   node volume-process.js open <volume>             answers with the milliseconds
 */
import process from 'node:process'
import { makeFragmentedVolume, timeOpen } from './fragmented-volume.ts'

const [, , verb = '', path = '', extentCount = '0'] = process.argv

process.on('disconnect', () => process.exit(1))
if (verb === 'make') {
  await makeFragmentedVolume(path, Number(extentCount))
  process.send?.(0)
} else {
  process.send?.(await timeOpen(path))
}
