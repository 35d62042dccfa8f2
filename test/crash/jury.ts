/** Judges images, each content once, and counts them. */
import { CRASH_KINDS, type CrashImage } from '../support/devices/crash-images.ts'
import { imageHash } from './image-hash.ts'
import { judge } from './judge.ts'
import type { State } from './model.ts'

/** What may be found in an image. */
export interface Allowed {
  /** The same exactly if the states are, within one run. */
  readonly key: string
  readonly states: () => Iterable<State>
}

/** How an image came to be: by a first crash, or by one in the recovery from another. */
export const IMAGE_KINDS = [...CRASH_KINDS, 'recovery'] as const
export type ImageKind = (typeof IMAGE_KINDS)[number]

export class Jury {
  readonly built = new Map<ImageKind, number>()
  readonly judged = new Map<ImageKind, number>()
  private readonly seen = new Set<string>()

  get judgedCount(): number {
    return [...this.judged.values()].reduce((sum, count) => sum + count, 0)
  }

  /** A new run: its keys have nothing to do with those of before. */
  forget(): void {
    this.seen.clear()
  }

  /** Throws an error that says what is wrong. */
  async judge(
    image: CrashImage,
    allowed: Allowed,
    name = image.name,
    kind: ImageKind = image.kind,
  ): Promise<void> {
    add(this.built, kind)
    const key = `${allowed.key}/${imageHash(image.content)}`
    if (this.seen.has(key)) return
    this.seen.add(key)
    add(this.judged, kind)
    await judge(name, image.device, allowed.states())
  }
}

function add(counts: Map<ImageKind, number>, kind: ImageKind): void {
  counts.set(kind, (counts.get(kind) ?? 0) + 1)
}
