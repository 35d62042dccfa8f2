import type { Harm } from './harm.ts'
import type { MountedVolume } from './mounted-volume.ts'
import type { Sample } from './probe.ts'

export interface SoakResult {
  readonly violation: string | undefined
  /** Where everything was kept, if it was. */
  readonly folder: string | undefined
  readonly mounted: MountedVolume
  readonly harm: Harm
  readonly counts: ReadonlyMap<string, number>
  readonly samples: readonly Sample[]
  /** Samples of the last phase without kills. */
  readonly calmSamples: readonly Sample[]
  readonly seconds: number
  readonly complaints: readonly string[]
}
