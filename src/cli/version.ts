import { readFileSync } from 'node:fs'

/** The package's version; the format of volumes has its own. */
export function programVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  // eslint-disable-next-line typescript/no-unsafe-type-assertion -- the package's own file
  const { version } = JSON.parse(text) as { version: string }
  return version
}
