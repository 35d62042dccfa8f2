/** Who is asking: what a request says, and what /proc adds to it only where that matters. */
import type { Credentials } from './credentials.ts'
import type { Caller } from './operations.ts'
import type { Processes } from './processes.ts'

/** In place of an id that the kernel does not tell, or cannot say in our user namespace. */
const UNNAMED_ID = 0xffff_ffff
/** What belongs to nobody that could be asking. */
const NO_ID = -1

/** capabilities(7), by number. */
const CAPABILITY = {
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  FSETID: 4,
  LINUX_IMMUTABLE: 9,
  SYS_ADMIN: 21,
}

interface Owned {
  readonly uid: number
  readonly gid: number
}

/** Whose capabilities those for the whole system are. */
export const ROOT: Owned = { uid: 0, gid: 0 }

/** With the option `idmap` the kernel names the caller only of what makes an inode. */
export const isUnnamed = ({ uid }: Caller): boolean => uid === UNNAMED_ID

export class Identity {
  private readonly processes: Processes
  private readonly caller: Caller
  private isMapped: boolean | undefined
  private read: { readonly credentials: Credentials | undefined } | undefined

  constructor(processes: Processes, caller: Caller) {
    this.processes = processes
    this.caller = caller
  }

  get uid(): number {
    return isUnnamed(this.caller) ? (this.unmapped?.uid ?? NO_ID) : this.caller.uid
  }

  private get gid(): number {
    return isUnnamed(this.caller) ? (this.unmapped?.gid ?? NO_ID) : this.caller.gid
  }

  isMember(gid: number): boolean {
    if (isUnnamed(this.caller) && this.unmapped === undefined) return false
    return gid === this.gid || this.credentials?.groups.includes(gid) === true
  }

  /**
   * What /proc says of an unnamed caller, unless he may have come through a mount that is mapped to
   * other ids: there they are not those that inodes have, and another user's could be.
   */
  private get unmapped(): Credentials | undefined {
    this.isMapped ??= this.processes.seesMapped(this.caller.pid)
    return this.isMapped ? undefined : this.credentials
  }

  /** Whether it has a capability that counts for what belongs to `owned`. */
  has(capability: keyof typeof CAPABILITY, owned: Owned): boolean {
    const { credentials } = this
    // Root is known by its number where /proc does not show the thread.
    if (credentials === undefined) return !isUnnamed(this.caller) && this.uid === 0
    const bit = 1n << BigInt(CAPABILITY[capability])
    return (credentials.capabilities & bit) !== 0n && credentials.covers(owned.uid, owned.gid)
  }

  /** None if the kernel asks in the name of another, as a filesystem on top of this one has it do. */
  private get credentials(): Credentials | undefined {
    this.read ??= { credentials: this.processes.credentials(this.caller.pid) }
    const { credentials } = this.read
    if (credentials === undefined || isUnnamed(this.caller)) return credentials
    const { uid, gid } = this.caller
    return credentials.uid === uid && credentials.gid === gid ? credentials : undefined
  }
}
