/** Every kind of damage to a volume that was closed, with what a check reports and what is lost. */
import type { InvariantNumber } from '../../src/check/invariants.ts'
import type { DeviceImage } from '../../src/device/memory-device.ts'
import { encodeDirent } from '../../src/store/inode.ts'
import * as keys from '../../src/store/keys.ts'
import { decodeMarker, encodeMarker } from '../../src/store/marker.ts'
import { SHARES_BLOCKS, decodeShares, encodeShares } from '../../src/store/shares.ts'
import * as edit from './edit-image.ts'

export interface DamageCase {
  readonly what: string
  readonly damage: (image: DeviceImage, ino: (name: string) => number) => DeviceImage
  readonly expected: readonly InvariantNumber[]
  /** Files that are lost; undefined when the volume cannot be opened any more. */
  readonly lost?: readonly string[]
}

export const flip = (bytes: Uint8Array): Uint8Array => edit.flipBit(bytes, bytes.length * 4 + 3)
const gone = (): undefined => undefined
const dirent = (ino: number, type: number, cookie: number) => () =>
  encodeDirent({ ino, type, cookie })

const FILE = 0o100000
const DIRECTORY = 0o040000
const SMALL_ENTRY = keys.direntKey(1, 'small')

function editMarker(image: DeviceImage, fields: object): DeviceImage {
  return edit.withBody(image, keys.MARKER_KEY, (body) =>
    encodeMarker({ ...decodeMarker(body), ...fields }),
  )
}

const IDENTITY: DamageCase[] = [
  {
    what: 'a bit of superblock copy 0',
    damage: (image) => edit.withSuperblock(image, [0], flip),
    expected: ['F1'],
    lost: [],
  },
  {
    what: 'a bit of both superblock copies',
    damage: (image) => edit.withSuperblock(image, [0, 1], flip),
    expected: ['F1'],
  },
  {
    what: 'a superblock of another ring size',
    damage: (image) => edit.withSuperblockFields(image, { ringBlocks: 77 }),
    expected: ['F1'],
    lost: [],
  },
  {
    what: 'an index of another volume',
    damage: (image) => edit.withBody(image, 'S', () => Buffer.alloc(16, 9)),
    expected: ['F2'],
  },
  {
    what: 'no identity',
    damage: (image) => edit.withValue(image, 'S', gone),
    expected: ['F2'],
  },
  {
    what: 'a bit of the marker',
    damage: (image) => edit.withValue(image, 'M', flip),
    expected: ['F3', 'F5'],
  },
  {
    what: 'a marker that is gone',
    damage: (image) => edit.withValue(image, 'M', gone),
    expected: ['F3'],
  },
  {
    what: 'a marker with a wrong free count',
    damage: (image) => editMarker(image, { freeCount: 3 }),
    expected: ['F23'],
    lost: [],
  },
  {
    what: 'a marker with a low inode number',
    damage: (image) => editMarker(image, { nextIno: 3 }),
    expected: ['F24'],
    lost: [],
  },
  {
    what: 'a block file that was cut',
    damage: (image) => ({ ...image, blockCount: 20 }),
    expected: ['F3', 'F19', 'F22'],
  },
]

const NAMES: DamageCase[] = [
  {
    what: 'a bit of an entry',
    damage: (image) => edit.withValue(image, SMALL_ENTRY, flip),
    expected: ['F5', 'F9', 'F11'],
    lost: [],
  },
  {
    what: 'an entry that is gone',
    damage: (image) => edit.withValue(image, SMALL_ENTRY, gone),
    expected: ['F9', 'F11'],
    lost: [],
  },
  {
    what: 'an entry that leads nowhere',
    damage: (image) => edit.withBody(image, SMALL_ENTRY, dirent(999, FILE, 4)),
    expected: ['F8', 'F9'],
    lost: [],
  },
  {
    what: 'an entry of the wrong type',
    damage: (image, ino) => edit.withBody(image, SMALL_ENTRY, dirent(ino('small'), DIRECTORY, 4)),
    expected: ['F8'],
    lost: [],
  },
  {
    what: 'one more name of a file',
    damage: (image, ino) =>
      edit.withBody(image, keys.direntKey(1, 'more'), dirent(ino('small'), FILE, 900)),
    expected: ['F10', 'F11', 'F12'],
    lost: [],
  },
  {
    what: 'a name that no name may be',
    damage: (image, ino) =>
      edit.withBody(image, keys.direntKey(1, 'a/b'), dirent(ino('small'), FILE, 4)),
    expected: ['F8', 'F10', 'F11', 'F12'],
    lost: [],
  },
  {
    what: 'an entry in a file',
    damage: (image, ino) =>
      edit.withBody(image, keys.direntKey(ino('small'), 'a'), dirent(ino('pages'), FILE, 2)),
    expected: ['F8', 'F10', 'F12'],
    lost: [],
  },
  {
    what: 'a directory that says another parent',
    damage: (image, ino) => edit.withInode(image, ino('below'), { parent: 1 }),
    expected: ['F13'],
    lost: [],
  },
  {
    what: 'directories in a circle',
    damage: (image, ino) => {
      const moved = edit.withValue(image, keys.direntKey(1, 'directory'), gone)
      const entry = keys.direntKey(ino('below'), 'directory')
      return edit.withBody(moved, entry, dirent(ino('directory'), DIRECTORY, 100))
    },
    expected: ['F9', 'F10', 'F11', 'F12', 'F13'],
    lost: [],
  },
  {
    what: 'a wrong link count and a wrong number of entries',
    damage: (image, ino) => edit.withInode(image, ino('directory'), { nlink: 9, entryCount: 9 }),
    expected: ['F10', 'F11'],
    lost: [],
  },
]

const INODES: DamageCase[] = [
  {
    what: 'a bit of an inode',
    damage: (image, ino) => edit.withValue(image, keys.inodeKey(ino('small')), flip),
    expected: ['F5', 'F8', 'F15', 'F17'],
    lost: ['small'],
  },
  {
    what: 'an inode of no type',
    damage: (image, ino) => edit.withInode(image, ino('small'), { mode: 0o644 }),
    expected: ['F7', 'F8'],
    lost: ['small'],
  },
  {
    what: 'a file that counts entries',
    damage: (image, ino) => edit.withInode(image, ino('small'), { entryCount: 3 }),
    expected: ['F7'],
    lost: [],
  },
  {
    what: 'a root that is gone',
    damage: (image) => edit.withValue(image, keys.inodeKey(1), gone),
    expected: ['F7', 'F8'],
    lost: [],
  },
  {
    what: 'an inode without links that has a name and is not listed',
    damage: (image, ino) => edit.withInode(image, ino('small'), { nlink: 0 }),
    expected: ['F8', 'F14'],
    lost: ['small'],
  },
  {
    what: 'an orphan with links, and one that does not exist',
    damage: (image, ino) => {
      const listed = edit.withBody(image, keys.orphanKey(ino('small')), (body) => body)
      return edit.withBody(listed, keys.orphanKey(998), (body) => body)
    },
    expected: ['F14'],
    lost: [],
  },
  {
    what: 'a hidden directory that has a name, a file as such, and one that does not exist',
    damage: (image, ino) =>
      [ino('below'), ino('small'), 996].reduce(
        (edited, each) => edit.withBody(edited, keys.hiddenKey(each), (body) => body),
        image,
      ),
    expected: ['F28'],
    lost: [],
  },
  {
    what: 'an attribute without its flag, and one of nobody',
    damage: (image, ino) => {
      const first = edit.withBody(image, keys.xattrKey(ino('pages'), 'user.a'), (body) => body)
      return edit.withBody(first, keys.xattrKey(999, 'user.a'), (body) => body)
    },
    expected: ['F15'],
    lost: [],
  },
  {
    what: 'keys of no kind',
    damage: (image) =>
      ['Z', 'Ishort', '\xff\xff', 'Snot'].reduce(
        (edited, key) => edit.withBody(edited, key, (body) => body),
        image,
      ),
    expected: ['F6'],
    lost: [],
  },
]

const BLOCKS: DamageCase[] = [
  {
    what: 'a bit of a leaf',
    damage: (image, ino) => edit.withValue(image, keys.leafKey(ino('small'), 0, 0), flip),
    expected: ['F5', 'F18', 'F22'],
    lost: ['small'],
  },
  {
    what: 'a leaf that is gone',
    damage: (image, ino) => edit.withValue(image, keys.leafKey(ino('small'), 0, 0), gone),
    expected: ['F18', 'F22'],
    lost: ['small'],
  },
  {
    what: 'a leaf of another generation',
    damage: (image, ino) =>
      edit.withBody(image, keys.leafKey(ino('pages'), 7, 0), () => Uint8Array.of(0)),
    expected: ['F17'],
    lost: [],
  },
  {
    what: 'pending generations that cannot be, and one of nobody',
    damage: (image, ino) =>
      [keys.pendingMapKey(ino('small'), 0), keys.pendingMapKey(997, 0)].reduce(
        (edited, key) => edit.withBody(edited, key, (body) => body),
        image,
      ),
    expected: ['F16'],
    lost: [],
  },
  {
    what: 'a block of two files',
    damage: (image, ino) => {
      const stolen = edit.leafIn(image, ino('linked'))
      return edit.withLeaf(image, ino('small'), (leaf) => {
        leaf.set(0, stolen.block(0), leaf.checksum(0))
      })
    },
    expected: ['F20', 'F22', 'F25'],
    lost: ['small'],
  },
  {
    what: 'a shared block with too few owners counted',
    damage: (image, ino) => {
      const block = edit.leafIn(image, ino('clone')).block(5)
      const key = keys.sharesKey(Math.floor(block / SHARES_BLOCKS))
      return edit.withBody(image, key, (body) => {
        const counts = decodeShares(body)
        counts[block % SHARES_BLOCKS] = 0
        return encodeShares(counts)
      })
    },
    expected: ['F20'],
    lost: [],
  },
  {
    what: 'a block behind the end of the block file',
    damage: (image, ino) =>
      edit.withLeaf(image, ino('small'), (leaf) => {
        leaf.set(0, 4_000_000_000, 5)
      }),
    expected: ['F19', 'F22'],
    lost: ['small'],
  },
  {
    what: 'a block behind the end of the file, and a wrong block count',
    damage: (image, ino) => edit.withInode(image, ino('linked'), { size: 4096, blockCount: 5 }),
    expected: ['F18', 'F21'],
    lost: ['linked'],
  },
  {
    what: 'a size that leaves something behind the end',
    damage: (image, ino) => edit.withInode(image, ino('linked'), { size: 8000 }),
    expected: ['F26'],
    lost: ['linked'],
  },
  {
    what: 'a bit of the bitmap',
    damage: (image) => edit.withValue(image, keys.bitmapKey(0), flip),
    expected: ['F5'],
  },
  {
    what: 'a block that is marked used, and one that is marked free',
    damage: (image, ino) => {
      const block = edit.leafIn(image, ino('small')).block(0)
      return edit.withBody(image, keys.bitmapKey(0), (body) => {
        const firstFree = body.indexOf(0) * 8
        return edit.flipBit(edit.flipBit(body, block), firstFree)
      })
    },
    expected: ['F22'],
    lost: [],
  },
  {
    what: 'a bit of a data block',
    damage: (image, ino) =>
      edit.withBlock(image, 'blocks', edit.leafIn(image, ino('linked')).block(1), flip),
    expected: ['F25'],
    lost: ['linked'],
  },
]

export const DAMAGE_CASES: readonly DamageCase[] = [...IDENTITY, ...NAMES, ...INODES, ...BLOCKS]
