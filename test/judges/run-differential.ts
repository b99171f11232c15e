import { parseArgs } from 'node:util'
import { differential, summary } from './differential.ts'
import { missingForGoJudge } from './go-judge.ts'

/** `npm run differential -- [--count N] [--seed S]`: exits with 1 for a disagreement that disagreements.ts does not explain. */
const { values } = parseArgs({
  options: { count: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' } },
})
const [count, first] = [Number(values.count), Number(values.seed)]
if (!(Number.isSafeInteger(count) && count > 0)) throw new Error('--count takes a whole number above 0')
if (!Number.isSafeInteger(first)) throw new Error('--seed takes a whole number')
const missing = missingForGoJudge()
if (missing !== undefined) throw new Error(`Install ${missing} first`)

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const found = await differential({ count, first, say })
say(summary(found))
process.exitCode = found.unexplained.length === 0 ? 0 : 1
