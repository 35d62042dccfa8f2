/**
 * Where our mounts differ from a local filesystem, and why. A case that is named here must fail on
 * those targets, in the way that is said; `docs/semantics.md` has the same table for users.
 */
export interface Difference {
  /** `operation/case`. */
  readonly cases: readonly string[]
  /** Targets by the beginning of their name; `oatomic` are all of ours. */
  readonly target: string
  /** What the case finds instead. */
  readonly finds: RegExp
  /** The row in the document. */
  readonly what: string
  readonly why: string
}

export const DIFFERENCES: readonly Difference[] = [
  {
    cases: ['statfs/what_it_says'],
    target: 'oatomic',
    finds: /it has an id/,
    what: '`statfs` shows no id of the filesystem (`f_fsid` is 0)',
    why: 'FUSE has no field for it',
  },
]
