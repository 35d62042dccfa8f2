/**
 * What a program may say to a mounted volume beyond ordinary calls, from any path of the mount:
 *
 *     import { begin, enable, publishAll } from 'oatomic/client'
 *
 * Nothing here talks to the daemon but through the kernel: attributes and ioctls of the files.
 */
export { NotOatomicError, OatomicError } from './error.ts'
export { type ExchangeOptions, type ExchangeRange, exchange } from './exchange.ts'
export {
  type FileState,
  type Limits,
  type Mode,
  type OnClose,
  disable,
  discard,
  enable,
  isAtomic,
  isOatomic,
  limits,
  publish,
  setGroup,
  setOnClose,
  state,
} from './files.ts'
export { publishAll } from './publish-all.ts'
export { type Transaction, begin } from './transaction.ts'
