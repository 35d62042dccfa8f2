/** Options that the kernel knows for any filesystem; mount(8) turns them into its flags. */
const FLAGS: ReadonlySet<string> = new Set(
  (
    'ro rw exec noexec suid nosuid dev nodev sync async dirsync atime noatime diratime nodiratime ' +
    'relatime norelatime strictatime nostrictatime lazytime nolazytime symfollow nosymfollow ' +
    'silent loud nomand noiversion'
  ).split(' '),
)

/**
 * Those among them that fusermount3 does not know, and that the kernel has no use for: they ask for what is
 * so anyway, or are about times of access, which are kept here.
 */
const NEEDLESS: ReadonlySet<string> = new Set(
  (
    'relatime norelatime strictatime nostrictatime nolazytime diratime nodiratime symfollow silent ' +
    'loud nomand noiversion'
  ).split(' '),
)

/** Labels of SELinux; mount(8) drops them where there is none. */
const LABEL = /^(fs|def|root)?context=./

export const isStandardOption = (option: string): boolean => FLAGS.has(option) || LABEL.test(option)

export const isNeedless = (option: string): boolean => NEEDLESS.has(option)
