import assert from 'node:assert/strict'
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { AlignedPool, allocateAligned } from '../../src/device/aligned-memory.ts'
import { hostError } from '../../src/device/host-error.ts'
import { coarseTimeNs, fallocate } from '../../src/device/host.ts'
import { FsError } from '../../src/errors.ts'
import { atEnd } from '../support/devices/at-end.ts'

test('coarseTimeNs() is now, and does not go back', () => {
  const first = coarseTimeNs()
  const nowNs = BigInt(Date.now()) * 1_000_000n
  assert.ok(first > nowNs - 1_000_000_000n)
  assert.ok(first < nowNs + 1_000_000_000n)
  assert.ok(coarseTimeNs() >= first)
})

test('fallocate() allocates behind 4 GiB and keeps what is there', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-host-'))
  atEnd(context, () => {
    rmSync(folder, { recursive: true })
  })
  const fd = openSync(join(folder, 'file'), 'w+')
  atEnd(context, () => {
    closeSync(fd)
  })
  writeSync(fd, 'content')
  fallocate(fd, 5 * 2 ** 30, 4096)
  fallocate(fd, 0, 64 * 1024)
  const { size, blocks } = fstatSync(fd)
  assert.equal(size, 5 * 2 ** 30 + 4096)
  assert.ok(blocks * 512 >= 68 * 1024)
  assert.throws(() => {
    fallocate(-1, 0, 4096)
  }, /EBADF/)
})

test('hostError() keeps the errno, names the file, and takes any other reason for EIO', () => {
  const full = Object.assign(new Error('ENOSPC: write'), { code: 'ENOSPC' })
  const error = hostError('write', '/volume/blocks', full)
  assert.equal(error.code, 'ENOSPC')
  assert.equal(error.message, 'Cannot write "/volume/blocks": ENOSPC: write')
  assert.equal(error.cause, full)
  assert.equal(hostError('write', 'x', new Error('other')).code, 'EIO')
  assert.equal(hostError('write', 'x', 'text').code, 'EIO')
  const wrapped = new Error('failed', { cause: new Error('IO error: No space left on device') })
  assert.equal(hostError('write', 'x', wrapped).code, 'ENOSPC')
  const known = new FsError('EROFS', 'known')
  assert.equal(hostError('write', 'x', known), known)
})

test('AlignedPool lends a buffer again, and zeroed memory at first', () => {
  assert.equal(allocateAligned(100).length, 100)
  const pool = new AlignedPool()
  const first = pool.acquire(70_000)
  assert.equal(first.length, 70_000)
  assert.equal(first.byteOffset, 0)
  assert.ok(first.every((byte) => byte === 0))
  const second = pool.acquire(70_000)
  assert.notEqual(second.buffer, first.buffer)
  pool.release(first)
  assert.equal(pool.acquire(131_072).buffer, first.buffer)
  assert.throws(() => {
    pool.release(Buffer.alloc(10))
  }, /Broken invariant/)
})
