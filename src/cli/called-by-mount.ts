import { basename } from 'node:path'

/** What `install-helper` has the program called with; a link has the name of a helper instead. */
export const HELPER_WORD = '--as-mount-helper'

/** The parameters of a call by mount(8), undefined if it is none. */
export function helperParameters(
  parameters: readonly string[],
  program: string,
): readonly string[] | undefined {
  if (parameters[0] === HELPER_WORD) return parameters.slice(1)
  return /^mount\.(fuse\.)?oatomic$/.test(basename(program)) ? parameters : undefined
}
