/**
 * Who a thread is to Linux, beyond what its requests say: groups and capabilities. Read from
 * `/proc/PID/status` and the maps of its user namespace, which take no lock that a thread could hold
 * while it waits for us.
 */
import { readFileSync } from 'node:fs'

export interface Credentials {
  /** The ids that count for files. */
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
  /** The effective capabilities, one bit for each. */
  readonly capabilities: bigint
  /** Whether these count for what belongs to a user and a group: its namespace must know both. */
  covers(uid: number, gid: number): boolean
}

/** Undefined for a thread that cannot be seen from here. */
export function readCredentials(pid: number): Credentials | undefined {
  if (pid <= 0) return undefined
  try {
    const status = parseCredentials(read(pid, 'status'))
    if (status === undefined) return undefined
    return {
      ...status,
      covers: (uid, gid) => knows(pid, 'uid', uid) && knows(pid, 'gid', gid),
    }
  } catch {
    return undefined
  }
}

type Status = Omit<Credentials, 'covers'>

/** Reads `/proc/PID/status`; undefined if it is not one. */
export function parseCredentials(status: string): Status | undefined {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:[ \t]*(.*)$`, 'm').exec(status)?.[1]
  // Four ids each: real, effective, saved, and that for files.
  const idOf = (name: string): number => Number(field(name)?.split('\t')[3])
  const [uid, gid] = [idOf('Uid'), idOf('Gid')]
  const capabilities = field('CapEff')
  if (!Number.isInteger(uid) || !Number.isInteger(gid)) return undefined
  if (capabilities === undefined || !/^[0-9a-f]+$/.test(capabilities)) return undefined
  const groups = (field('Groups') ?? '').split(' ').filter((group) => group !== '')
  return { uid, gid, groups: groups.map(Number), capabilities: BigInt(`0x${capabilities}`) }
}

function knows(pid: number, kind: 'uid' | 'gid', id: number): boolean {
  try {
    return mapHas(read(pid, `${kind}_map`), read('self', `${kind}_map`), id)
  } catch {
    return false
  }
}

/**
 * Whether a user namespace has an id of ours. Of a namespace below ours the map says `inside ours
 * count`. Of our own it says something else, but then it reads as ours does; one below ours that reads
 * the same has all of our ids.
 */
export function mapHas(map: string, ownMap: string, id: number): boolean {
  if (map === ownMap) return true
  return map.split('\n').some((line) => {
    const [, first, count] = line.trim().split(/ +/).map(Number)
    if (first === undefined || count === undefined || !(first >= 0)) return false
    return id >= first && id < first + count
  })
}

function read(pid: number | 'self', name: string): string {
  return readFileSync(`/proc/${pid}/${name}`, 'latin1')
}
