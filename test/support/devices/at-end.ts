import type { TestContext } from 'node:test'

type Release = () => void | Promise<void>

const stacks = new WeakMap<TestContext, Release[]>()

/** Releases something after a test, last come first: the test runner's own hooks go first to last. */
export function atEnd(context: TestContext, release: Release): void {
  const stack = stacks.get(context)
  if (stack !== undefined) {
    stack.push(release)
    return
  }
  const releases = [release]
  stacks.set(context, releases)
  context.after(async () => {
    for (let next = releases.pop(); next !== undefined; next = releases.pop()) await next()
  })
}
