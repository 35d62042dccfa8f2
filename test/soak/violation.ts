/** What a soak is after: something that must not happen, in words. */
export class Violation extends Error {
  override readonly name = 'Violation'
}
