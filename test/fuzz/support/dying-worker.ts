/** A worker that leaves an input behind and then does what its order's target says. */
import { writeFileSync } from 'node:fs'
import { encodeInput } from '../kit/input-codec.ts'
import type { WorkerOrder } from '../kit/worker-link.ts'

// eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by kit/supervise.ts
const order = JSON.parse(process.argv[2] ?? '') as WorkerOrder
writeFileSync(order.tracePath, encodeInput([Buffer.from('culprit')]))
if (order.target === 'exit') process.exit(3)
if (order.target === 'abort') process.abort()
for (;;) Math.random()
