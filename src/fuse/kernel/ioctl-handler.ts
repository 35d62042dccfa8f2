/** Requests of ioctl(2): what the kernel knows to be data of the size that the command says. */
import type { Handler } from './edge.ts'
import { whenReady } from './edge.ts'
import { encodeIoctl } from './replies.ts'
import { decodeIoctl } from './request-decoders.ts'

export const ioctl: Handler = (edge, { ino, caller, body }) => {
  const { fh, isDirectory, command, address, input } = decodeIoctl(body)
  const request = { ino, fh, isDirectory, command, address, input }
  return whenReady(edge.filesystem.ioctl(request, caller), encodeIoctl)
}
