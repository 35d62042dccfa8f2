/**
 * Savepoints of a transaction. Each START freezes what is staged and lets a new fork lie over it;
 * ABORT drops the topmost fork, and a commit folds all of them into the lowest before it publishes
 * that. No content is copied by any of it: pages and blocks change hands.
 *
 *   START ── START ──────────── ABORT             COMMIT
 *     a        a  ◄─ b (top)      a                 a+b, published
 *
 * All of it is in memory, so a crash leaves what was published last. What each fork has set aside
 * stays its own until it is dropped or folded, so an ABORT cannot run out of space.
 */
import { invariant } from '../errors.ts'
import { dropFork } from './discard.ts'
import type { Engine } from './engine.ts'
import type { FileState, ShadowFork, Transaction } from './shadow-fork.ts'
import { dropPage, dropSpilled } from './spill.ts'
import { stageSavepoint } from './stage.ts'

/**
 * Sets a savepoint of a transaction, the first of which begins it. Requires: the caller holds the
 * file's lock. Throws FsError ENOSPC, or what broke the fork; nothing is changed then.
 */
export function setSavepoint(engine: Engine, file: FileState, transaction: Transaction): void {
  const base = file.shadow
  if (base?.broken !== undefined) throw base.broken
  if (base !== undefined) stageSavepoint(engine, file)
  transaction.savepoints.push(base)
  file.transaction = transaction
}

/**
 * Drops what was staged since the last savepoint, and that; with the first one the transaction ends.
 * Requires: the caller holds the file's lock, and a transaction is under way.
 */
export function returnToSavepoint(engine: Engine, file: FileState): void {
  const savepoints = file.transaction?.savepoints
  invariant(savepoints !== undefined && savepoints.length > 0, 'a transaction has a savepoint')
  const base = savepoints.pop()
  while (file.shadow !== base) {
    const top = file.shadow
    invariant(top !== undefined, 'a savepoint lies below what was staged since')
    dropFork(engine, top)
    file.shadow = top.parent
  }
  if (savepoints.length === 0) file.transaction = undefined
}

/** Returns to the first savepoint, if a transaction is under way. */
export function endTransaction(engine: Engine, file: FileState): void {
  while (file.transaction !== undefined) returnToSavepoint(engine, file)
}

/**
 * Makes one fork of all, each of which is moved once; returns it. There is only the beginning to
 * return to afterwards.
 */
export function foldSavepoints(engine: Engine, file: FileState): ShadowFork | undefined {
  const top = file.shadow
  if (top?.parent === undefined) return top
  const [lowest, ...upper] = [...top.chain()].toReversed()
  invariant(lowest !== undefined, 'a chain has a lowest fork')
  for (const fork of upper) fold(engine, fork, lowest)
  file.shadow = lowest
  file.transaction?.savepoints.splice(0, Infinity, undefined)
  return lowest
}

/** Moves what a fork has into the one below. */
function fold(engine: Engine, fork: ShadowFork, below: ShadowFork): void {
  cut(engine, fork, below)
  for (const [fileBlock, page] of fork.pages) {
    dropPage(engine, below, fileBlock)
    dropSpilled(engine, below, fileBlock)
    below.pages.set(fileBlock, page)
  }
  for (const { fileBlock, block, checksum } of fork.spilledEntries()) {
    dropPage(engine, below, fileBlock)
    dropSpilled(engine, below, fileBlock)
    below.setSpilled(fileBlock, block, checksum)
    if (fork.borrowed.has(fileBlock)) below.borrowed.add(fileBlock)
  }
  if (fork.written !== undefined) below.written?.addAll(fork.written)
  below.stageSeq = fork.stageSeq
  below.size = fork.size
  below.mtimeNs = fork.mtimeNs
  below.ctimeNs = fork.ctimeNs
}

/** What a fork has truncated goes from the one below, too. */
function cut(engine: Engine, fork: ShadowFork, below: ShadowFork): void {
  if (fork.cutBlock === Infinity) return
  for (const fileBlock of below.pages.keys()) {
    if (fork.hides(fileBlock)) dropPage(engine, below, fileBlock)
  }
  for (const { fileBlock } of below.spilledEntries()) {
    if (fork.hides(fileBlock)) dropSpilled(engine, below, fileBlock)
  }
  below.cutBlock = Math.min(below.cutBlock, fork.cutBlock)
  below.freshMap ||= fork.freshMap
}
