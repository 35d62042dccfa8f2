/** Tests that run on every way to the kernel that can do what they test. */
import { type TestContext, test } from 'node:test'
import { TRANSPORTS, type TransportName } from '../../../src/fuse/transport.ts'

/** The addon of the second one is there for x64 only. */
const isPossible = (transport: TransportName): boolean =>
  transport === 'kernel' || process.arch === 'x64'

const chosen = new WeakMap<TestContext, TransportName>()

/** What `mounted` mounts by in a test; the kernel's own protocol where nothing is said. */
export function transportOf(context: TestContext): TransportName {
  return chosen.get(context) ?? 'kernel'
}

type Body = (context: TestContext, transport: TransportName) => Promise<void>

/** A test for each transport. */
export function testOnEach(name: string, options: { readonly timeout: number }, body: Body): void {
  testOn(TRANSPORTS, name, options, body)
}

/** A test for each of some transports. */
export function testOn(
  transports: readonly TransportName[],
  name: string,
  options: { readonly timeout: number },
  body: Body,
): void {
  for (const transport of transports.filter(isPossible)) {
    const suffix = transport === 'kernel' ? '' : `, with ${transport}`
    test(`${name}${suffix}`, options, async (context) => {
      chosen.set(context, transport)
      await body(context, transport)
    })
  }
}
