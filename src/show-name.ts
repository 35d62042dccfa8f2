/** Shows byte strings to people: nothing in a name may move a cursor or pass for other text. */

/** Controls, invisible and unassigned characters, line ends, quotes and the escape itself. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}"\\]/u

/** A byte string (one character for each byte) as UTF-8, with all that is unsafe escaped. */
export function showName(name: string): string {
  const bytes = Buffer.from(name, 'latin1')
  let shown = ''
  for (let at = 0; at < bytes.length;) {
    const character = characterAt(bytes, at)
    if (character === undefined) {
      shown += escapeByte(bytes[at] ?? 0)
      at++
    } else {
      shown += UNSAFE.test(character) ? escapeCharacter(character) : character
      at += Buffer.byteLength(character)
    }
  }
  return shown
}

/** The whole character that begins here, unless the bytes are not UTF-8. */
function characterAt(bytes: Buffer, at: number): string | undefined {
  const first = bytes[at] ?? 0
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  const sequence = bytes.subarray(at, at + length)
  const text = sequence.toString('utf8')
  const isOne = String.fromCodePoint(text.codePointAt(0) ?? 0) === text
  return isOne && Buffer.from(text).equals(sequence) ? text : undefined
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  const code = character.codePointAt(0) ?? 0
  return code < 0x80 ? escapeByte(code) : `\\u{${code.toString(16)}}`
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}
