type Release = () => void | Promise<void>

/** What calls back in the end: a TestContext, or a program of its own. */
export interface Lifetime {
  after(release: () => Promise<void>): void
}

const stacks = new WeakMap<Lifetime, Release[]>()

/** Releases something after a test, last come first: the test runner's own hooks go first to last. */
export function atEnd(context: Lifetime, release: Release): void {
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
