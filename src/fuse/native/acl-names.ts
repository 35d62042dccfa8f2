export const ACCESS_ACL = 'system.posix_acl_access'

export const isAclName = (name: string): boolean => name.startsWith('system.posix_acl_')
