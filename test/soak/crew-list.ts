/** Who works on the mount of a soak: kinds are programs/worker.py's, names say variants. */
import type { WorkerSpec } from './worker-process.ts'

export const CREW: readonly WorkerSpec[] = [
  ...['pages-a', 'pages-b', 'pages-c'].map((name) => ({ kind: 'pages', name })),
  { kind: 'policies', name: 'policies' },
  ...['reader-a', 'reader-b'].map((name) => ({ kind: 'reader', name })),
  { kind: 'append', name: 'append' },
  ...['replace-a', 'replace-b'].map((name) => ({ kind: 'replace', name })),
  { kind: 'trees', name: 'trees' },
  ...['sqlite-delete', 'sqlite-wal', 'sqlite-atomic'].map((name) => ({ kind: 'database', name })),
  { kind: 'git', name: 'git' },
  { kind: 'tar', name: 'tar' },
]
