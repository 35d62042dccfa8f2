import { type ErrnoCode, FsError } from '../../src/errors.ts'

/** What a program would be answered: 'ok', or the name of an errno. */
export async function answerOf(work: () => unknown): Promise<ErrnoCode | 'ok'> {
  try {
    await work()
    return 'ok'
  } catch (error) {
    if (error instanceof FsError) return error.code
    throw error
  }
}
