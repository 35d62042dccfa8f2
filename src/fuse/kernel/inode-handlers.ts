/** Requests about inodes and their names. */
import { type Edge, type Handler, type Reply, whenReady } from './edge.ts'
import type { Attributes, Awaitable, Ino } from '../../fs/operations.ts'
import {
  encodeAttributes,
  encodeBytes,
  encodeDone,
  encodeEntry,
  encodeMissing,
  encodeStatistics,
  encodeStatx,
} from './replies.ts'
import {
  decodeBatchForget,
  decodeGetAttributes,
  decodeLink,
  decodeMakeDirectory,
  decodeMakeNode,
  decodeRename,
  decodeRenameWithFlags,
  decodeSetAttributes,
  decodeSymlink,
} from './request-decoders.ts'

function replyEntry(edge: Edge, attributes: Awaitable<Attributes>): Awaitable<Reply> {
  return whenReady(attributes, (found) => encodeEntry(found, edge.timeouts))
}

export const lookup: Handler = (edge, { ino, caller, body }) => {
  const name = body.name()
  const resized = edge.resizes.findTarget(ino, name, caller)
  if (resized !== undefined) {
    // The name is for this one time only, so the kernel must not keep it.
    const timeouts = { ...edge.timeouts, entrySeconds: 0 }
    return edge.resizes
      .isOwnQuestion(resized, caller)
      .then(() => encodeEntry(edge.filesystem.remember(resized), timeouts))
  }
  const opened = edge.ownFiles.findTarget(ino, name, caller)
  if (opened !== undefined) {
    return encodeEntry(edge.filesystem.remember(opened), { ...edge.timeouts, entrySeconds: 0 })
  }
  return whenReady(edge.filesystem.lookup(ino, name), (found) =>
    found === undefined ? encodeMissing(edge.timeouts) : encodeEntry(found, edge.timeouts),
  )
}

export const forget: Handler = (edge, { ino, body }) => {
  edge.filesystem.forget(ino, body.u64())
  return undefined
}

export const batchForget: Handler = (edge, { body }) => {
  for (const { ino, count } of decodeBatchForget(body)) edge.filesystem.forget(ino, count)
  return undefined
}

export const getAttributes: Handler = (edge, { ino, caller, body }) => {
  const fh = decodeGetAttributes(body)
  const answer = (): Awaitable<Reply> =>
    whenReady(edge.filesystem.getAttributes(ino, caller, fh), (found) =>
      encodeAttributes(found, edge.timeouts),
    )
  if (!edge.resizes.isAny) return answer()
  return edge.resizes
    .isOwnQuestion(ino, caller)
    .then((isOwn) => (isOwn ? answerResize(edge, ino) : answer()))
}

export const statx: Handler = (edge, { ino, caller, body }) =>
  whenReady(edge.filesystem.getAttributes(ino, caller, decodeGetAttributes(body)), (found) =>
    encodeStatx(found, edge.timeouts),
  )

export const setAttributes: Handler = (edge, request) => {
  const { ino, caller } = request
  const changes = decodeSetAttributes(request.body)
  const adopted = edge.resizes.adopted(ino, changes, caller)
  if (adopted !== undefined) {
    return whenReady(adopted, (taken) => encodeAttributes(taken, edge.timeouts))
  }
  if (edge.resizes.isOurs(ino, changes.size, caller)) return answerResize(edge, ino)
  return whenReady(edge.filesystem.setAttributes(ino, changes, caller), (found) =>
    encodeAttributes(found, edge.timeouts),
  )
}

/**
 * The filesystem has this size already; only the kernel had to learn it. Asked in a way that does
 * not wait for the resize itself.
 */
function answerResize({ filesystem, timeouts }: Edge, ino: Ino): Buffer {
  const found = filesystem.remember(ino)
  filesystem.forget(ino, 1)
  return encodeAttributes(found, timeouts)
}

export const readLink: Handler = (edge, { ino }) =>
  whenReady(edge.filesystem.readLink(ino), encodeBytes)

export const makeNode: Handler = (edge, { ino, caller, body }) => {
  const { name, mode, umask, rdev } = decodeMakeNode(body)
  return replyEntry(edge, edge.filesystem.makeNode(ino, name, mode, rdev, { ...caller, umask }))
}

export const makeDirectory: Handler = (edge, { ino, caller, body }) => {
  const { name, mode, umask } = decodeMakeDirectory(body)
  return replyEntry(edge, edge.filesystem.makeDirectory(ino, name, mode, { ...caller, umask }))
}

export const makeSymlink: Handler = (edge, { ino, caller, body }) => {
  const { name, target } = decodeSymlink(body)
  return replyEntry(edge, edge.filesystem.makeSymlink(ino, name, target, caller))
}

export const link: Handler = (edge, { ino: newParent, body }) => {
  const { ino, newName } = decodeLink(body)
  return replyEntry(edge, edge.filesystem.link(ino, newParent, newName))
}

export const unlink: Handler = (edge, { ino, body }) =>
  whenReady(edge.filesystem.unlink(ino, body.name()), encodeDone)

export const removeDirectory: Handler = (edge, { ino, body }) =>
  whenReady(edge.filesystem.removeDirectory(ino, body.name()), encodeDone)

export const rename: Handler = (edge, { ino, body }) =>
  whenReady(edge.filesystem.rename(decodeRename(body, ino)), encodeDone)

export const renameWithFlags: Handler = (edge, { ino, caller, body }) =>
  whenReady(edge.filesystem.rename(decodeRenameWithFlags(body, ino, caller)), encodeDone)

export const statistics: Handler = (edge) =>
  whenReady(edge.filesystem.statistics(), encodeStatistics)
