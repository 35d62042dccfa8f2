/** First in, first out; taking from the front costs nothing, however many wait. */
const DROPPED_MIN = 1024

export class Queue<Item> {
  private items: Item[] = []
  /** How many at the front of `items` are gone. */
  private dropped = 0

  get count(): number {
    return this.items.length - this.dropped
  }

  push(item: Item): void {
    this.items.push(item)
  }

  /** The next ones, at most `count`; they stay. */
  first(count: number): readonly Item[] {
    return this.items.slice(this.dropped, this.dropped + count)
  }

  /** Takes the next ones away. Requires: there are so many. */
  drop(count: number): void {
    this.dropped += count
    if (this.dropped < DROPPED_MIN || this.dropped * 2 < this.items.length) return
    this.items = this.items.slice(this.dropped)
    this.dropped = 0
  }
}
