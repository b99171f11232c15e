import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { cpuModels } from '@strongroom/contract'
import { tablesOfQemu } from '../services/host/src/qemu/reference-machine.ts'

/**
 * Writes packages/evidence/src/expect/predict/acpi/template.ts from the installed QEMU, for a machine type that it
 * newly names (services/host/src/qemu/arguments.ts). The offsets of what depends on the machine stand in dsdt.ts and
 * machine-tables.ts; services/host/src/qemu/reference-machine.test.ts shows whether they still hold. With a folder as
 * argument, the file itself is written there too, for `iasl -d`.
 */
const file = join(import.meta.dirname, '../packages/evidence/src/expect/predict/acpi/template.ts')
const width = 116
const runtimeDir = await mkdtemp(join(tmpdir(), 'strongroom-template-'))
try {
  const small = { acceleration: 'tcg', cpuModel: cpuModels.SNP, vCPUs: 1, memoryMiB: 8192, runtimeDir } as const
  const tables = Buffer.from((await tablesOfQemu(small)).get('etc/acpi/tables') ?? [])
  const recorded = tables.subarray(0, tables.lastIndexOf('RSDT'))
  const [, , folder] = process.argv
  if (folder !== undefined) await writeFile(join(folder, 'acpi-tables.bin'), recorded)
  const lines =
    deflateRawSync(recorded, { level: 9 })
      .toString('base64')
      .match(new RegExp(`.{1,${width}}`, 'g')) ?? []
  const before = await readFile(file, 'utf8')
  const head = before.slice(0, before.indexOf('= [') + 1)
  const list = lines.map((line) => `  '${line}',\n`).join('')
  await writeFile(file, `${head.trimEnd()} [\n${list}]\n`)
} finally {
  await rm(runtimeDir, { recursive: true, force: true })
}
