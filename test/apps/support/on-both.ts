/** Tests of a program with ordinary files, and with files that are atomic from the start. */
import { type TestContext, test } from 'node:test'
import { type Mount, mounted } from '../../mount/support/mount.ts'
import type { Running } from '../../mount/support/run.ts'

/** The test, once on each kind of mount; the body unmounts, or this does, and checks the volume. */
export function testOnBoth(
  name: string,
  options: { readonly timeout: number },
  body: (mount: Mount, context: TestContext) => Promise<void>,
): void {
  for (const newFiles of ['ordinary', 'shared'] as const) {
    const suffix = newFiles === 'shared' ? ', with atomic files' : ''
    test(`${name}${suffix}`, options, async (context) => {
      const mount = await mounted(context, { newFiles })
      await body(mount, context)
      await mount.unmount()
    })
  }
}

/** Sees to it that a server does not outlive a test that has failed. */
export function killAtEnd(
  context: TestContext,
  { process }: Running,
  kill: () => Promise<unknown>,
): void {
  context.after(async () => {
    if (process.exitCode === null && process.signalCode === null) await kill()
  })
}
