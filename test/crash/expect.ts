import assert from 'node:assert/strict'
import { FsError } from '../../src/errors.ts'

/** The errno of an expected failure; a bug is thrown on. */
export function codeOf(error: unknown): string {
  if (!(error instanceof FsError)) throw error
  return error.code
}

/** For `catch`: the volume may be full, and nothing else may be wrong. */
export function expectFull(error: unknown): void {
  assert.equal(codeOf(error), 'ENOSPC')
}
