/**
 * What holds of every volume, by the numbers that docs/format.md gives. It holds of the index with
 * the ring's records replayed on top: of what recovery would see, whenever the volume was killed.
 */

export const INVARIANTS = {
  F1: 'Both copies of the superblock are valid and agree.',
  F2: 'The index belongs to the volume of the superblock.',
  F3: 'The marker is valid, and the block file is as long as it says.',
  F4: 'No commit that was durable is missing from the ring and the index.',
  F5: 'Every value of the index has its checksum, can be decoded, and is found by its key.',
  F6: 'Every key is of a known kind and has its form.',
  F7: 'Every inode is of a known type and has what belongs to it; inode 1 is the root.',
  F8: 'Every entry leads from a directory to an inode of its type, both with links.',
  F9: 'Every inode with links is reached from the root or from a hidden directory.',
  F10: 'The link count is 2 plus subdirectories for a directory, else the number of names.',
  F11: 'A directory counts its entries.',
  F12: 'Cookies of a directory are 3 or more, unique, and below its next one.',
  F13: 'A directory knows the directory that its name is in; the root is its own.',
  F14: 'An inode has no links exactly if it is on the list of orphans.',
  F15: 'An extended attribute belongs to an inode that is flagged as having some.',
  F16: 'A pending generation belongs to an inode and is not its own: older, or the next.',
  F17: "Every leaf is of its inode's own generation or of a pending one.",
  F18: 'An inode with links counts the blocks that its own generation maps.',
  F19: 'Every mapped block lies within the block file, and is not block 0.',
  F20: 'A block is mapped as often as is counted; two generations with it at one place count once.',
  F21: 'A file maps nothing behind its end.',
  F22: 'The bitmap is the union of all maps.',
  F23: 'The marker counts the blocks that the stored bitmap leaves free.',
  F24: 'Numbers for new inodes are above those of all inodes.',
  F25: 'Every mapped block of a file with links has the content of its checksum.',
  F26: 'The last block of a file holds zeros behind the end.',
  F27: 'Every file of the index has its checksums, and nothing is missing in front of a later batch.',
  F28: 'A hidden directory is a directory with links, without a name, and its own parent.',
} as const

export type InvariantNumber = keyof typeof INVARIANTS
