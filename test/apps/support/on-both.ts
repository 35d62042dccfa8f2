/** Tests of a program with ordinary files, and with files that are atomic from the start. */
import { test } from 'node:test'
import { type Mount, mounted } from '../../mount/support/mount.ts'

/** The test, once on each kind of mount; the body unmounts, or this does, and checks the volume. */
export function testOnBoth(
  name: string,
  options: { readonly timeout: number },
  body: (mount: Mount) => Promise<void>,
): void {
  for (const newFiles of ['ordinary', 'shared'] as const) {
    const suffix = newFiles === 'shared' ? ', with atomic files' : ''
    test(`${name}${suffix}`, options, async (context) => {
      const mount = await mounted(context, { newFiles })
      await body(mount)
      await mount.unmount()
    })
  }
}
