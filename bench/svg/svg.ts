/** As much of SVG as the plots need. Text and lines take their colours from the reader's light or dark theme. */

export type Attributes = Readonly<Record<string, string | number>>

/** Readable on white and on near black, and told apart without red and green. */
export const SERIES_COUNT = 6

const STYLE = `
:root { --paper: #ffffff; --ink: #1f2328; --faint: #d1d9e0; --soft: #59636e;
  --s0: #0b62b8; --s1: #b35900; --s2: #00735c; --s3: #a03070; --s4: #6b4fbb; --s5: #6b6100; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #0d1117; --ink: #f0f6fc; --faint: #3d444d; --soft: #9198a1;
    --s0: #6cb6ff; --s1: #ffa657; --s2: #4fd1b0; --s3: #ff9bce; --s4: #c4b0ff; --s5: #e3d54f; }
}
text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.title { font-size: 14px; font-weight: 600; }
.soft { fill: var(--soft); }
.grid { stroke: var(--faint); stroke-width: 1; }
.axis { stroke: var(--soft); stroke-width: 1; }
.guide { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 4; }
${Array.from(
  { length: SERIES_COUNT },
  (_, i) => `.line${i} { stroke: var(--s${i}); stroke-width: 2; fill: none; }
.fill${i} { fill: var(--s${i}); }`,
).join('\n')}
`

export function element(name: string, attributes: Attributes, content = ''): string {
  const shown = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${showAttribute(value)}"`,
  )
  return `<${name}${shown.join('')}${content === '' ? '/>' : `>${content}</${name}>`}`
}

export function text(attributes: Attributes, content: string): string {
  return element('text', attributes, escape(content))
}

/** A whole picture on paper of its own. */
export function picture(
  width: number,
  height: number,
  title: string,
  parts: readonly string[],
): string {
  const paper = element('rect', { width, height, rx: 6, style: 'fill: var(--paper)' })
  const content = [element('title', {}, escape(title)), `<style>${STYLE}</style>`, paper, ...parts]
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
  }
  return `${element('svg', attributes, `\n${content.join('\n')}\n`)}\n`
}

function showAttribute(value: string | number): string {
  return typeof value === 'number' ? String(Math.round(value * 10) / 10) : escape(value)
}

function escape(content: string): string {
  return content
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
