/**
 * Where our mounts differ from a local filesystem, and why. A case that is named here must fail on
 * those targets, in the way that is said; `docs/semantics.md` has the same table for users.
 */
import type { Target } from './target.ts'

export interface Difference {
  /** `operation/case`. */
  readonly cases: readonly string[]
  readonly on: (target: Target) => boolean
  /** What the case finds instead. */
  readonly finds: RegExp
  /** The row in the document. */
  readonly what: string
  readonly why: string
}

const ours = ({ isOurs }: Target): boolean => isOurs
const cached = ({ isOurs, cachesWrites }: Target): boolean => isOurs && cachesWrites
const uncached = ({ isOurs, cachesWrites, isNative = false }: Target): boolean =>
  isOurs && !cachesWrites && !isNative
const native = ({ isNative = false }: Target): boolean => isNative

export const DIFFERENCES: readonly Difference[] = [
  {
    cases: ['open/opening_for_reading_changes_no_times'],
    on: ours,
    finds: /^got: \('a', ''\)/,
    what: 'Opening a file for reading counts as reading it, for times of access',
    why: 'Linux answers reads from its cache without telling, so the time of access would go stale',
  },
  {
    cases: ['truncate/to_the_same_size_by_name'],
    on: ours,
    finds: /^got: ''/,
    what: '`truncate` by name to the size that a file has changes no times, as on XFS',
    why: 'Linux keeps the times of a file that it caches, and leaves them alone then',
  },
  {
    cases: ['utimens/the_year_2400'],
    on: ours,
    finds: /^got: 9223372036/,
    what: 'Times are of the years 1677 to 2262, on ext4 1901 to 2446',
    why: 'A volume counts nanoseconds in 64 bits',
  },
  {
    cases: ['chown/a_chown_of_nothing_ends_them_too'],
    on: uncached,
    finds: /^got: '0o6755'/,
    what: 'With `nowriteback`, `chown` by root to neither an owner nor a group leaves set-user-id alone',
    why: 'Linux passes it on like a write by root, which does',
  },
  {
    cases: ['flags/a_descriptor_that_was_open_before'],
    on: cached,
    finds: /: 'ok', not 'EPERM'/,
    what: 'Who has a file open for writing when `chattr +i` protects it can go on',
    why: 'Linux takes writes into its cache without asking',
  },
  {
    cases: ['flags/a_descriptor_that_stops_appending'],
    on: ours,
    finds: /: 'ok', not 'EPERM'/,
    what: 'Who has a file of `chattr +a` open can drop `O_APPEND` with `fcntl`',
    why: 'Linux does not know of flags on FUSE',
  },
  {
    cases: ['fallocate/moving_what_is_behind'],
    on: ours,
    finds: /Operation not supported/,
    what: '`fallocate` does not collapse or insert ranges (`EOPNOTSUPP`)',
    why: 'Linux refuses both for FUSE',
  },
  {
    cases: ['stat/flags_are_shown'],
    on: ours,
    finds: /^got: 0, not 16/,
    what: '`statx` does not show the flags of `chattr`; `lsattr` does',
    why: 'Linux does not pass them on for FUSE',
  },
  {
    cases: ['statfs/what_it_says'],
    on: ours,
    finds: /it has an id/,
    what: '`statfs` shows no id of the filesystem (`f_fsid` is 0)',
    why: 'FUSE has no field for it',
  },
  {
    cases: ['rmdir/a_folder_with_a_removed_but_open_file'],
    on: native,
    finds: /Directory not empty/,
    what: '`rmdir` of a folder in which an open file was removed',
    why: '`ENOTEMPTY` until it is closed',
  },
  {
    cases: [
      'open/a_folder_that_was_removed',
      'readdir/a_removed_folder',
      'rename/an_empty_folder_is_replaced',
      'rmdir/a_working_directory',
      'rmdir/times_and_link_counts',
    ],
    on: native,
    finds: /FileNotFoundError/,
    what: '`fstat` and `readdir` of a folder that was removed while it is open',
    why: '`ENOENT`',
  },
  {
    cases: ['chown/nothing_changed'],
    on: native,
    finds: /^got: ''/,
    what: '`chown` to neither an owner nor a group',
    why: 'moves no time',
  },
  {
    cases: ['truncate/set_group_id_without_execution_ends_for_who_is_not_of_the_group'],
    on: native,
    finds: /'0o2767', '0o2767'/,
    what: 'set-group-id of a file that its group may not execute',
    why: 'stays when the file is truncated',
  },
  {
    cases: ['write/a_write_of_root_ends_capabilities_only'],
    on: native,
    finds: /'ok', not 'ENODATA'/,
    what: 'capabilities of a file that root writes to',
    why: 'stay',
  },
]
