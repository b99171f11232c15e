import { randomInt } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { violations } from './history/history.ts'
import { runFaults } from './run-faults.ts'

/** Short, so that many faults outlast it. */
const leaseSeconds = 2

/** Runs faults, with the seed STRONGROOM_FAULT_SEED if set, and prints seed and figures. The history of an unexpected violation is kept. */
export async function faultRun(o: { count: number; ceph?: boolean; mutation?: string }): ReturnType<typeof runFaults> {
  const seed = Number(process.env['STRONGROOM_FAULT_SEED'] ?? randomInt(2 ** 31))
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-fences-'))
  // The database's user needs access.
  await chmod(directory, 0o711)
  process.stderr.write(
    `${o.count} faults${o.ceph === true ? ', disks in Ceph,' : ''} by STRONGROOM_FAULT_SEED=${seed}` +
      `${o.mutation === undefined ? '' : `, without the fence of the ${o.mutation}`}\n`,
  )
  try {
    const outcome = await runFaults({ ...o, directory, seed, leaseSeconds })
    const found = violations(outcome.history)
    process.stderr.write(`${JSON.stringify({ ...outcome.figures, violations: found.length })}\n`)
    const file = join(tmpdir(), `strongroom-fences-${seed}.json`)
    if (found.length > 0 && o.mutation === undefined) {
      await writeFile(file, JSON.stringify(outcome.history))
      process.stderr.write(`${`the history is in ${file}`}\n`)
    }
    return outcome
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
