/** Requests about open directories. */
import { type Handler, whenReady } from './edge.ts'
import { encodeDirectoryPage } from './directory-page.ts'
import { encodeDone, encodeOpened } from './replies.ts'
import { decodeHandle, decodeRead, decodeSync } from './request-decoders.ts'

export const openDirectory: Handler = (edge, { ino }) =>
  whenReady(edge.filesystem.openDirectory(ino), (fh) => encodeOpened({ fh, keepCache: false }))

export const readDirectory: Handler = (edge, { body }) => {
  const { fh, offset, lengthBytes } = decodeRead(body)
  return whenReady(edge.filesystem.readDirectory(fh, offset), (entries) =>
    encodeDirectoryPage(entries, lengthBytes),
  )
}

export const readDirectoryPlus: Handler = (edge, { body }) => {
  const { fh, offset, lengthBytes } = decodeRead(body)
  return whenReady(edge.filesystem.readDirectory(fh, offset), (entries) =>
    encodeDirectoryPage(entries, lengthBytes, {
      timeouts: edge.timeouts,
      remember: (ino) => edge.filesystem.remember(ino),
    }),
  )
}

export const releaseDirectory: Handler = (edge, { body }) =>
  whenReady(edge.filesystem.releaseDirectory(decodeHandle(body)), encodeDone)

export const fsyncDirectory: Handler = (edge, { body }) =>
  whenReady(edge.filesystem.fsyncDirectory(decodeSync(body).fh), encodeDone)
