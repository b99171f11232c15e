import { existsSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { AnySpec } from '@strongroom/contract'
import { CliError, exitCodes } from '../../core/cli-error.ts'

/** The host's database record of a VM, as a host reads it. */
export interface VmRecord {
  vmId: string
  spec: AnySpec
}

/** The VMs of an installation, running or not. */
export function readVms(stateDir: string): VmRecord[] {
  const path = join(stateDir, 'host.db')
  if (!existsSync(path)) return []
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const rows = database.prepare('SELECT vm_id, record FROM instance ORDER BY vm_id').all() as {
      vm_id: string
      record: string
    }[]
    return rows.map((row) => ({ vmId: row.vm_id, ...(JSON.parse(row.record) as Omit<VmRecord, 'vmId'>) }))
  } finally {
    database.close()
  }
}

/** @throws CliError VmNotFound, VmNotConfidential */
export function findVm(stateDir: string, name: string): VmRecord {
  const found = readVms(stateDir).find(({ spec }) => spec.name === name)
  if (found === undefined) {
    throw new CliError({
      code: 'VmNotFound',
      message: `This installation has no VM '${name}'.`,
      target: name,
      remedy: 'See `strongroom vm list`, or set STRONGROOM_STATE_DIR to the right installation.',
      exitCode: exitCodes.notFound,
    })
  }
  if (!('tee' in found.spec)) {
    throw new CliError({
      code: 'VmNotConfidential',
      message: `The VM '${name}' is not confidential: it is not protected from the host.`,
      expected: 'a VM of security type ConfidentialVM',
      found: found.spec.ordinary,
      remedy: 'Drill a confidential VM.',
    })
  }
  return found
}

/**
 * The same for an installation that must not be touched: opening a database writes beside it.
 * @param scratch folder for a copy of the database
 */
export async function findVmAtRest(stateDir: string, name: string, scratch: string): Promise<VmRecord> {
  for (const file of ['host.db', 'host.db-wal'])
    if (existsSync(join(stateDir, file))) await copyFile(join(stateDir, file), join(scratch, file))
  return findVm(scratch, name)
}

/** Changes rows in one of the installation's databases, as a holder of the files can. */
export function editDatabase(stateDir: string, name: string, sql: string, ...values: (string | number)[]): number {
  const database = new DatabaseSync(join(stateDir, `${name}.db`))
  try {
    return Number(database.prepare(sql).run(...values).changes)
  } finally {
    database.close()
  }
}
